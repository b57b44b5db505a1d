"""Check an evaluation against the journal of its run: both measure the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec

JOURNAL_TOLERANCE: Mapping[str, float] = {"auto": 0.1, "fp32": 0.01, "bf16": 0.1, "fp16": 0.05}
"""Largest difference of an accuracy from the journal's, by the precision of training."""


def check_against_journal(
    spec: ExperimentSpec, last: Mapping[str, Any], measured: Mapping[str, Mapping[str, Any]], run: str | Path
) -> None:
    """Compare accuracies with the journal's last line, which was measured on the same weights.

    Evaluation measures in the precision of training where the processor has it, perhaps on another processor: examples
    whose two best answers are nearly equal may fall the other way.

    Args:
        measured: accuracy of `train`, the pooled training splits, and of every split.

    Raises:
        InputError: a difference exceeds `JOURNAL_TOLERANCE`.
    """
    tolerance = JOURNAL_TOLERANCE[spec.training.precision]
    journal = {"train": last["train"], **last["splits"]}
    for name, found in measured.items():
        expected, accuracy = journal[name]["accuracy"], found["accuracy"]
        if expected is None:  # training diverged, perhaps in its own precision alone
            continue
        if accuracy is None or abs(accuracy - expected) > tolerance:
            raise InputError(
                f"{run} contradicts itself: the accuracy on {name} is {accuracy}, and {expected} in the last line of "
                f"its journal, more than {tolerance} away; its model or its journal is damaged"
            )


def differences(
    last: Mapping[str, Any], splits: Mapping[str, Mapping[str, Any]], measured_in: str, trained_in: str
) -> list[str]:
    """Describe in one line how accuracies or precision differ from the journal's last line; empty if they do not.

    Args:
        splits: as they were measured anew.
        measured_in, trained_in: precision and device, as `bf16 on cpu`, of the measurement and of the journal.
    """
    apart = [
        f"{name} {accuracy:.4g} and not {there:.4g}"
        for name, split in splits.items()
        for accuracy, there in [(split["accuracy"], last["splits"][name]["accuracy"])]
        if None not in (accuracy, there) and abs(accuracy - there) > 1e-9
    ]
    if not apart and measured_in.partition(" ")[0] == trained_in.partition(" ")[0]:
        return []
    where = f"both in {measured_in}" if measured_in == trained_in else f"in {measured_in}, and then in {trained_in}"
    return [f"accuracy measured anew, and in the journal: {where}; {', '.join(apart) or 'they agree'}"]
