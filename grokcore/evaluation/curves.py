"""A run's journal read as curves, and the phases of each."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from grokcore.evaluation.phases import Curve, collapsed, first_crossing, onset, stable, sustained
from grokcore.runs.journal import JournalLine
from grokcore.spec import EvaluationSpec, ExperimentSpec, TrainingSpec
from grokcore.spec.schedule import last_change, phase_drops
from grokcore.spec.training import MOST_STEPS

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
    """The evaluations that may confirm something: each of other weights than the one before.

    Where the learning rate has reached 0, or where every step was skipped, an evaluation repeats the one before.

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
    """What a journal can confirm; its last line may still be without its phases."""
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


def reached(seen: Evidence, split: str, rules: EvaluationSpec) -> dict[str, int | None]:
    """The index, in `seen.lines`, of the evaluation at which a split groks, by each definition."""
    accuracy = accuracy_of(seen.lines, split)
    threshold, sustain = rules.threshold, rules.sustain
    return {
        "first_crossing": first_crossing(accuracy, threshold=threshold),
        "sustained": sustained(accuracy, seen.steps, threshold=threshold, sustain=sustain, window=rules.window),
        "stable": stable(accuracy, threshold=threshold, stable_threshold=rules.stable_floor, sustain=sustain),
    }


def phases_of(lines: Lines, held_out: Sequence[str], spec: ExperimentSpec) -> dict[str, Any]:
    """The steps at which phases began: `memorized`, and onset, sustained and collapsed of each held-out split."""
    rules, seen = spec.evaluation, evidence(lines, spec.training)

    def step(index: int | None) -> int | None:
        return None if index is None else seen.lines[index]["step"]

    memorized = reached(seen, "train", rules)["sustained"]
    phases: dict[str, Any] = {"memorized": step(memorized)}
    for split in held_out:
        accuracy, held = accuracy_of(seen.lines, split), reached(seen, split, rules)["sustained"]
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

    It depends on nothing but the step, so that a resumed run evaluates where the uninterrupted one does.
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
