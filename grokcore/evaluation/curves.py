"""A run's journal read as curves, and the phases of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from grokcore.evaluation.phases import Curve, collapsed, first_crossing, onset, stable, sustained
from grokcore.spec import EvaluationSpec

DEFINITIONS = ("first_crossing", "sustained", "stable")
"""The three times to grok, from the most generous to the strictest."""

Lines = Sequence[Mapping[str, Any]]


def steps_of(lines: Lines) -> list[int]:
    return [line["step"] for line in lines]


def accuracy_of(lines: Lines, split: str) -> Curve:
    """Accuracy of a split over the journal; `train` pools the training splits."""
    if split == "train":
        return [line["train"]["accuracy"] for line in lines]
    return [line["splits"][split]["accuracy"] for line in lines]


def reached(lines: Lines, split: str, rules: EvaluationSpec) -> dict[str, int | None]:
    """The index of the evaluation at which a split groks, by each definition."""
    accuracy, steps = accuracy_of(lines, split), steps_of(lines)
    return {
        "first_crossing": first_crossing(accuracy, threshold=rules.threshold),
        "sustained": sustained(accuracy, steps, threshold=rules.threshold, sustain=rules.sustain, window=rules.window),
        "stable": stable(
            accuracy, threshold=rules.threshold, stable_threshold=rules.stable_threshold, sustain=rules.sustain
        ),
    }


def phases_of(lines: Lines, held_out: Sequence[str], rules: EvaluationSpec) -> dict[str, Any]:
    """The steps at which phases began: `memorized`, and onset, grokked (sustained) and collapsed per held-out split."""
    steps = steps_of(lines)

    def step(index: int | None) -> int | None:
        return None if index is None else steps[index]

    memorized = reached(lines, "train", rules)["sustained"]
    phases: dict[str, Any] = {"memorized": step(memorized)}
    for split in held_out:
        accuracy, grokked = accuracy_of(lines, split), reached(lines, split, rules)["sustained"]
        phases[split] = {
            "onset": step(
                onset(
                    accuracy,
                    steps,
                    memorized,
                    rise=rules.onset_rise,
                    sustain=rules.sustain,
                    window=rules.window,
                )
            ),
            "grokked": step(grokked),
            "collapsed": step(
                collapsed(accuracy, grokked, stable_threshold=rules.stable_threshold, sustain=rules.sustain)
            ),
        }
    return phases


def next_evaluation(step: int, rules: EvaluationSpec) -> int:
    """The first step after `step` that is a multiple of `interval` or the next whole number above a power of `growth`.

    It depends on nothing but the step, so that a resumed run evaluates where the uninterrupted one does.
    """
    log_spaced = 1.0
    while math.ceil(log_spaced) <= step:
        log_spaced *= rules.growth
    return min(math.ceil(log_spaced), (step // rules.interval + 1) * rules.interval)
