"""An evaluation against the journal of its run: both tell of the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec

JOURNAL_TOLERANCE: Mapping[str, float] = {"auto": 0.1, "fp32": 0.01, "bf16": 0.1, "fp16": 0.05}
"""By the precision that a run was trained in: how far an accuracy may lie from the journal's, at most."""


def check_against_journal(
    spec: ExperimentSpec, last: Mapping[str, Any], measured: Mapping[str, Mapping[str, Any]], run: str | Path
) -> None:
    """Hold accuracies against the journal's last line, which was measured on the same weights.

    Training measures in its own precision and evaluation in fp32, perhaps on another processor: examples whose two best
    answers are nearly equal may fall the other way.

    Args:
        measured: accuracy of `train`, the pooled training splits, and of every split.

    Raises:
        InputError: a difference is larger than that.
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
