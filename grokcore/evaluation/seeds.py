"""Several seeds of one spec as a sample: how many runs grokked, how late, and how well, censored runs kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import get_args

from grokcore.evaluation.survival.kaplan_meier import median_time
from grokcore.evaluation.survival.times import Reached, reached_by
from grokcore.runs.evaluation import TRAINING_SET, Evaluation, Verdict


@dataclass(frozen=True)
class Outcome:
    """What one run came to on one split; the training set has no verdict, a diverged run may have no accuracy."""

    sustained: Reached
    accuracy: float | None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of the numbers that there are."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Sample:
    """What several runs came to on one split.

    Attributes:
        runs: their number.
        verdicts: how many runs came to each verdict, those that none came to left out.
        censored: how many runs ended before it was sustained.
        median: Kaplan-Meier median of the time to be sustained; censored where half the runs take longer.
        earliest: the shortest time that was seen, None if none was.
        latest: the longest time known; censored where the run that it belongs to ended there.
        accuracy: of the models at the end, None if no run has one.
    """

    runs: int
    verdicts: dict[Verdict, int]
    censored: int
    median: Reached
    earliest: int | None
    latest: Reached
    accuracy: Spread | None


def sample_of(outcomes: Sequence[Outcome]) -> Sample:
    """The sample of at least one run."""
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
    """The training set's sample and each held-out split's, over runs of one spec."""
    samples = {TRAINING_SET: sample_of([_trained(evaluation) for evaluation in evaluations])}
    for split in evaluations[0].held_out:
        samples[split] = sample_of([_held_out(evaluation, split) for evaluation in evaluations])
    return samples


def _trained(evaluation: Evaluation) -> Outcome:
    return Outcome(reached_by(evaluation.memorized.sustained, evaluation.censored_at), evaluation.train.accuracy)


def _held_out(evaluation: Evaluation, split: str) -> Outcome:
    held_out = evaluation.held_out[split]
    return Outcome(
        reached_by(held_out.sustained, evaluation.censored_at), evaluation.splits[split].accuracy, held_out.verdict
    )
