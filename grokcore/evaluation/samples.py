"""Several seeds of one spec as a sample: verdicts, times with censored runs kept, accuracies, and bands of curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import get_args

from grokcore.evaluation.phases import accuracy_of, steps_of
from grokcore.evaluation.survival.kaplan_meier import median_time
from grokcore.evaluation.survival.times import EventTime, event_time
from grokcore.runs.evaluation import TRAINING_SET, Evaluation, Verdict
from grokcore.runs.record import RunRecord


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run on one split. The training set has no verdict; a diverged run may have no accuracy."""

    sustained: EventTime
    accuracy: float | None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of the known values."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Sample:
    """The outcomes of several runs on one split.

    Attributes:
        runs: their number.
        verdicts: number of runs by verdict; verdicts of no run are left out.
        censored: how many runs ended before it was sustained.
        median: Kaplan-Meier median of the time to be sustained; censored where half the runs take longer.
        earliest: the shortest observed time, None if there is none.
        latest: the longest time; censored if its run ended there.
        accuracy: of the final models, None if no run has one.
    """

    runs: int
    verdicts: dict[Verdict, int]
    censored: int
    median: EventTime
    earliest: int | None
    latest: EventTime
    accuracy: Spread | None


def sample_of(outcomes: Sequence[Outcome]) -> Sample:
    """Summarize the outcomes of at least one run."""
    times = [outcome.sustained for outcome in outcomes]
    counts = Counter(outcome.verdict for outcome in outcomes)
    reached = [time.step for time in times if not time.censored]
    accuracies = [outcome.accuracy for outcome in outcomes if outcome.accuracy is not None]
    return Sample(
        runs=len(outcomes),
        verdicts={verdict: counts[verdict] for verdict in get_args(Verdict) if counts[verdict]},
        censored=sum(time.censored for time in times),
        median=median_time(times),
        earliest=min(reached, default=None),
        latest=max(times, key=lambda time: (time.step, time.censored)),
        accuracy=Spread(median(accuracies), min(accuracies), max(accuracies)) if accuracies else None,
    )


def samples_of(evaluations: Sequence[Evaluation]) -> dict[str, Sample]:
    """Summarize the training set and each held-out split over runs of one spec."""
    samples = {TRAINING_SET: sample_of([_trained(evaluation) for evaluation in evaluations])}
    for split in evaluations[0].held_out:
        samples[split] = sample_of([_held_out(evaluation, split) for evaluation in evaluations])
    return samples


def _trained(evaluation: Evaluation) -> Outcome:
    return Outcome(event_time(evaluation.memorized.sustained, evaluation.censored_at), evaluation.train.accuracy)


def _held_out(evaluation: Evaluation, split: str) -> Outcome:
    held_out = evaluation.held_out[split]
    return Outcome(
        event_time(held_out.sustained, evaluation.censored_at), evaluation.splits[split].accuracy, held_out.verdict
    )


@dataclass(frozen=True)
class Band:
    """Median and limits over runs, at each step at which more than half of them were evaluated.

    Attributes:
        runs: number of runs at each step; fewer than all make the curve a selection.
        lower, upper: limits that contain at least the requested share of runs; of few runs the lowest and the highest.
    """

    steps: tuple[int, ...]
    median: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    runs: tuple[int, ...]


def band_of(runs: Sequence[RunRecord], split: str, *, spread: float = 0.8) -> Band:
    """Compute the band of accuracy on a split (`train`: on the training set).

    Args:
        spread: share of the runs between the two limits, in (0, 1].
    """
    values: dict[int, list[float]] = {}
    for run in runs:
        for step, accuracy in zip(steps_of(run.journal), accuracy_of(run.journal, split), strict=True):
            if accuracy is not None:
                values.setdefault(step, []).append(accuracy)
    shared = {step: found for step, found in sorted(values.items()) if 2 * len(found) > len(runs)}
    limits = [_limits(found, spread) for found in shared.values()]
    return Band(
        steps=tuple(shared),
        median=tuple(median(found) for found in shared.values()),
        lower=tuple(low for low, _ in limits),
        upper=tuple(high for _, high in limits),
        runs=tuple(len(found) for found in shared.values()),
    )


def _limits(values: Sequence[float], spread: float) -> tuple[float, float]:
    """Limits that leave out equally many values on either side, at most 1 - spread in total."""
    ordered = sorted(values)
    outside = min(int((1 - spread) / 2 * len(ordered) + 1e-9), (len(ordered) - 1) // 2)
    return ordered[outside], ordered[-1 - outside]
