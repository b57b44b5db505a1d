"""Phases of a run: when a split is memorized, begins to generalize, is sustained, or collapses.

First pure functions of a recorded curve: `accuracy` and `steps` are sequences of equal length, one entry per
evaluation, steps ascending. Each returns the index of an evaluation, or None while the event has not been observed: a
run that ends first is right-censored there. The change itself lies between the evaluation before and the one returned.
Then the same over a journal, whose lines are read as curves.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from grokcore.runs.journal import JournalLine
from grokcore.spec import EvaluationSpec, ExperimentSpec, TrainingSpec
from grokcore.spec.schedule import last_change, phase_drops
from grokcore.spec.training import MOST_STEPS

Curve = Sequence[float | None]
"""Accuracies in [0, 1]; None where the model's output was not finite."""


def first_crossing(accuracy: Curve, *, threshold: float = 0.99) -> int | None:
    """Find the first evaluation that reaches the threshold, often an early peak that dips again."""
    return next((index for index, value in enumerate(accuracy) if reaches(value, threshold)), None)


def sustained(
    accuracy: Curve,
    steps: Sequence[int],
    *,
    threshold: float = 0.99,
    sustain: int = 3,
    window: float = 1.1,
    start: int = 0,
) -> int | None:
    """Find the first evaluation, from index `start`, from which the threshold is held.

    Held at step t means: every evaluation in [t, window * t], and at least `sustain` in a row, reaches it. While the
    curve ends before window * t, t is not yet confirmed.
    """
    run_start: int | None = None
    for index in range(start, len(steps)):
        if not reaches(accuracy[index], threshold):
            run_start = None
            continue
        if run_start is None:
            run_start = index
        if index - run_start + 1 >= sustain and steps[index] >= window * steps[run_start]:
            return run_start
    return None


def stable(accuracy: Curve, *, threshold: float = 0.99, stable_threshold: float = 0.95, sustain: int = 3) -> int | None:
    """Find the first evaluation that reaches the threshold and is never followed by one below `stable_threshold`.

    At least `sustain` evaluations must have been seen from there on.
    """
    lowest_allowed = 0
    for index in range(len(accuracy) - 1, -1, -1):
        if not reaches(accuracy[index], stable_threshold):
            lowest_allowed = index + 1
            break
    for index in range(lowest_allowed, len(accuracy)):
        if reaches(accuracy[index], threshold):
            return index if len(accuracy) - index >= sustain else None
    return None


def onset(
    accuracy: Curve,
    steps: Sequence[int],
    memorized: int | None,
    *,
    rise: float = 0.05,
    sustain: int = 3,
    window: float = 1.1,
) -> int | None:
    """Find the first evaluation after memorization from which accuracy stays `rise` above its value there."""
    if memorized is None:
        return None
    base = accuracy[memorized]
    if base is None or base + rise > 1:
        return None
    return sustained(accuracy, steps, threshold=base + rise, sustain=sustain, window=window, start=memorized + 1)


def collapsed(accuracy: Curve, held: int | None, *, stable_threshold: float = 0.95, sustain: int = 3) -> int | None:
    """Find the first of `sustain` evaluations in a row below `stable_threshold`, after index `held` (sustained)."""
    if held is None:
        return None
    below = 0
    for index in range(held + 1, len(accuracy)):
        below = 0 if reaches(accuracy[index], stable_threshold) else below + 1
        if below == sustain:
            return index - sustain + 1
    return None


def reaches(value: float | None, threshold: float) -> bool:
    """Whether an accuracy is at least the threshold; one that was not finite never is."""
    # A share of n examples is computed in floating point: .99 of 3000 must count as .99.
    return value is not None and value >= threshold - 1e-9


DEFINITIONS = ("first_crossing", "sustained", "stable")
"""The three times to grok. The first crossing is never the last of them; the others come in no order: sustained asks
for the whole threshold, up to a tenth later, and stable for `stable_threshold` alone, but to the end of the run."""

Lines = Sequence[JournalLine]


def steps_of(lines: Lines) -> list[int]:
    return [line["step"] for line in lines]


def accuracy_of(lines: Lines, split: str) -> Curve:
    """Accuracy of a split over the journal; `train` pools the training splits."""
    if split == "train":
        return [line["train"]["accuracy"] for line in lines]
    return [line["splits"][split]["accuracy"] for line in lines]


@dataclass(frozen=True)
class Evidence:
    """The evaluations that can confirm a phase: each measures other weights than the one before.

    Where the learning rate has reached 0, or every step was skipped, an evaluation repeats the one before.

    Attributes:
        lines: of the journal, in order.
        steps: the optimizer steps behind each one's weights, at most those until the learning rate reached 0.
    """

    lines: Lines
    steps: Sequence[int]


def last_change_in(lines: Lines, training: TrainingSpec) -> int | None:
    """The step after which the learning rate of a run with this journal is 0; None where it never is."""
    return last_change(training, phase_drops(lines, training))


def evidence(lines: Lines, training: TrainingSpec) -> Evidence:
    """Select the evaluations that can confirm a phase; the last line may still lack its phases."""
    end = last_change_in(lines[:-1], training)  # a drop that the last line shows comes after it
    kept = [
        *lines[:1],
        *(line for before, line in pairwise(lines) if not was_skipped(before, line) and is_before(end, before["step"])),
    ]
    return Evidence(kept, [line["step"] if is_before(end, line["step"]) else end or 0 for line in kept])


def is_before(end: int | None, step: int) -> bool:
    return end is None or step < end


def was_skipped(before: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    """Whether all steps between two evaluations were skipped."""
    skipped: int = line.get("steps_skipped", 0) - before.get("steps_skipped", 0)
    steps: int = line["step"] - before["step"]
    return skipped >= steps


def crossings(seen: Evidence, split: str, rules: EvaluationSpec) -> dict[str, int | None]:
    """Find the index in `seen.lines` from which a split holds the threshold, by each definition."""
    accuracy = accuracy_of(seen.lines, split)
    threshold, sustain = rules.threshold, rules.sustain
    return {
        "first_crossing": first_crossing(accuracy, threshold=threshold),
        "sustained": sustained(accuracy, seen.steps, threshold=threshold, sustain=sustain, window=rules.window),
        "stable": stable(accuracy, threshold=threshold, stable_threshold=rules.stable_floor, sustain=sustain),
    }


def phases_of(lines: Lines, held_out: Sequence[str], spec: ExperimentSpec) -> dict[str, Any]:
    """Find the steps at which phases began: `memorized`, and onset, sustained, collapsed of each held-out split."""
    rules, seen = spec.evaluation, evidence(lines, spec.training)

    def step(index: int | None) -> int | None:
        return None if index is None else seen.lines[index]["step"]

    memorized = crossings(seen, "train", rules)["sustained"]
    phases: dict[str, Any] = {"memorized": step(memorized)}
    for split in held_out:
        accuracy, held = accuracy_of(seen.lines, split), crossings(seen, split, rules)["sustained"]
        phases[split] = {
            "onset": step(
                onset(
                    accuracy,
                    seen.steps,
                    memorized,
                    rise=rules.onset_rise,
                    sustain=rules.sustain,
                    window=rules.window,
                )
            ),
            "sustained": step(held),
            "collapsed": step(collapsed(accuracy, held, stable_threshold=rules.stable_floor, sustain=rules.sustain)),
        }
    return phases


def next_evaluation(step: int, rules: EvaluationSpec) -> int:
    """The first step after `step` that is a multiple of `interval` or the next whole number above a power of `growth`.

    It depends on the step alone, so that a resumed run evaluates where the uninterrupted one does.
    """
    spaced = _log_spaced(rules.growth)
    return min(spaced[bisect_right(spaced, step)], (step // rules.interval + 1) * rules.interval)


@lru_cache(maxsize=32)
def _log_spaced(growth: float) -> list[int]:
    """The powers of `growth`, each as the next whole number, from 1 to one beyond any run."""
    steps, power = [1], 1.0
    while steps[-1] <= MOST_STEPS:
        power *= growth
        steps.append(math.ceil(min(power, 2.0 * MOST_STEPS)))
    return steps
