"""The results by which the gate compares a champion and its challenger: a few numbers of each seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from grokcore.errors import InputError
from grokcore.evaluation.survival import EventTime, follow_up, median_time, times_of
from grokcore.runs.groups import experiment_id, group_key
from grokcore.spec import ExperimentSpec
from grokcore.spec.base import identity_of
from grokcore.spec.experiment import fingerprint

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SeedResult(_Record):
    """The results of one run on the compared split."""

    seed: int
    init_seed: int
    order_seed: int
    run_id: str
    steps: int = Field(ge=0, description="evaluation from which the threshold is held; the last one if it never was")
    after: int | None = Field(description="the evaluation before: the time lies in (after, steps]")
    reached: bool = Field(description="whether the threshold was held by the end of the run")
    accuracy: float | None = Field(description="of the final model; null if it is not finite")
    ended: bool = Field(description="whether training ended by itself and was not stopped or lost")
    finite: bool = Field(description="whether it neither diverged nor ended with a loss or accuracy that is not finite")

    @property
    def time(self) -> EventTime:
        return EventTime(self.steps, censored=not self.reached, after=self.after if self.reached else None)


class Challenger(_Record):
    """The seeds of one spec, a champion's or a challenger's. The gate needs nothing else: the runs may be deleted."""

    name: str
    split: str
    threshold: float
    task_id: str = Field(description="identity of the task without its seed; times of others cannot be compared")
    evaluation_id: str = Field(description="identity of the rules by which times are read off the curves")
    dataset_id: str
    experiment_id: str = Field(description="identity of the runs without their seeds")
    seeds: tuple[SeedResult, ...] = Field(min_length=1)

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(seed.run_id for seed in self.seeds)

    @property
    def times(self) -> list[EventTime]:
        return [seed.time for seed in self.seeds]

    @property
    def reached(self) -> int:
        return sum(seed.reached for seed in self.seeds)


class Summary(_Record):
    """A challenger in a few numbers."""

    split: str
    threshold: float
    seeds: int
    reached: int = Field(description="seeds that held the threshold by their end")
    median_steps: int | None = Field(description="Kaplan-Meier median of the steps to hold it; null where it is later")
    mean_accuracy: float | None = Field(description="of the final models; null if one is not finite")


def summary_of(challenger: Challenger) -> Summary:
    median = median_time(challenger.times)
    accuracies = [seed.accuracy for seed in challenger.seeds]
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return Summary(
        split=challenger.split,
        threshold=challenger.threshold,
        seeds=len(challenger.seeds),
        reached=challenger.reached,
        median_steps=None if median.censored else median.step,
        mean_accuracy=math.fsum(known) / len(known) if len(known) == len(accuracies) else None,
    )


def challenger_of(records: Sequence[RunRecord], split: str) -> Challenger:
    """Collect the results of evaluated runs, in the order of their seeds.

    Raises:
        InputError: there is none, they differ in more than their seeds, or have no such held-out split.
    """
    if not records:
        raise InputError("there is no run to compare with the champion")
    first = records[0].spec
    for record in records:
        if (group_key(record.spec)[1:], record.spec.dataset_id) != (group_key(first)[1:], first.dataset_id):
            raise InputError(
                f"{record.uri} differs from {records[0].uri} in more than its seed: they are not one candidate"
            )
        if split not in record.evaluation.held_out:
            known = ", ".join(record.evaluation.held_out) or "none"
            raise InputError(f"{record.uri} has no held-out split {split}; its held-out splits are {known}")
    return Challenger(
        name=first.name,
        split=split,
        threshold=records[0].evaluation.threshold,
        task_id=task_id(first),
        evaluation_id=first.evaluation_id,
        dataset_id=first.dataset_id,
        experiment_id=experiment_id(first),
        seeds=tuple(sorted((_seed_result(record, split) for record in records), key=lambda seed: seed.seed)),
    )


def task_id(spec: ExperimentSpec) -> str:
    """Identity of a task without its seed: other data of the same kind and size have the same."""
    identity = identity_of(spec.task)
    identity.pop("seed", None)
    return fingerprint({"task": identity, "generator": spec.task.generator_version})


def _seed_result(record: RunRecord, split: str) -> SeedResult:
    evaluation = record.evaluation
    [time] = times_of([record], split)
    result, train = evaluation.splits[split], evaluation.train
    numbers = (result.accuracy, result.loss, train.accuracy, train.loss)
    finite = not evaluation.diverged and all(number is not None and math.isfinite(number) for number in numbers)
    accuracy = result.accuracy
    return SeedResult(
        seed=record.spec.seed,
        init_seed=record.spec.init_seed,
        order_seed=record.spec.order_seed,
        run_id=record.manifest.run_id,
        steps=follow_up(record) if time.censored else time.step,
        after=time.after,
        reached=not time.censored,
        accuracy=accuracy if accuracy is not None and math.isfinite(accuracy) else None,
        ended=evaluation.exit_reason not in (None, "stopped"),
        finite=finite,
    )


def uris_of(records: Sequence[RunRecord], places: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """List the URIs of the runs, in the order of `Challenger.seeds`.

    Args:
        places: URIs by run id to use instead of those that the records, perhaps of copies, were read from.
    """
    ordered = sorted(records, key=lambda record: record.spec.seed)
    return tuple((places or {}).get(record.manifest.run_id, record.uri) for record in ordered)
