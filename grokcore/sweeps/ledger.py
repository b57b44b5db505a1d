"""What is known of the runs of a sweep, and the index.json made from it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grokcore.errors import BusyError, GrokcoreError, StoppedError
from grokcore.evaluation.speedups import SpeedupReport
from grokcore.runs.record import RunRecord
from grokcore.runs.resume import TrainResult
from grokcore.sweeps.index import INDEX, PointEntry, RunEntry, SweepIndex, SweepPlace, TunedPoint
from grokcore.sweeps.point import Point
from grokcore.sweeps.queue import Work, all_finished
from grokcore.sweeps.shard import WHOLE, Shard
from grokcore.sweeps.sources import source_points
from grokcore.sweeps.spec import SweepSpec

REPORT = "report.html"
_INDEX_SECONDS = 60.0
"""Shortest time between two writes of the index while runs end: it names all runs, so that each write costs more."""


@dataclass(frozen=True)
class SweepResult:
    """Result of a sweep.

    Attributes:
        directory: URI of the directory with sweep.yaml, index.json and the comparison.
        records: finished runs by point, in the order of the points.
        labels: names of the points in the comparison.
        speedups: of the points against the sweep's baseline; None without one.
    """

    directory: str
    index: SweepIndex
    records: Mapping[str, Sequence[RunRecord]]
    labels: Mapping[str, str]
    speedups: SpeedupReport | None = None

    @property
    def report(self) -> str:
        """URI of the HTML comparison."""
        return f"{self.directory}/{REPORT}"


@dataclass
class Ledger:
    """State of the runs of a sweep.

    Attributes:
        shard: which runs are trained here.
        records: finished runs by URI.
        outcomes: of the runs that have ended here.
    """

    sweep: SweepSpec
    points: Sequence[Point]
    place: SweepPlace
    tuned: Mapping[str, TunedPoint]
    shard: Shard = WHOLE
    records: dict[str, RunRecord] = field(default_factory=dict)
    outcomes: dict[str, TrainResult | GrokcoreError] = field(default_factory=dict)

    _written: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self.by_point = {point.name: works_of(point, self.place) for point in self.points}
        self.works = [work for works in self.by_point.values() for work in works]
        self.mine = self.shard.of(self.by_point.values())

    @property
    def left(self) -> list[Work]:
        """Unfinished runs."""
        return [work for work in self.works if work.run not in self.records]

    def refresh(self, works: Sequence[Work] | None = None) -> None:
        """Read the state of unfinished runs from the store, by default of all."""
        self.records |= all_finished(self.left if works is None else works)

    def record(self, work: Work, outcome: TrainResult | GrokcoreError) -> None:
        """Record the outcome of a run, and write the index if that was not done a short while ago."""
        self.outcomes[work.run] = outcome
        if time.monotonic() - self._written >= _INDEX_SECONDS:
            self.write()

    def write(self) -> None:
        """Write index.json; of several shards the one that finds all runs finished does."""
        if self.left and not self.shard.is_whole:
            return
        self._written = time.monotonic()
        self.place.directory.write_json(INDEX, self.index().model_dump(mode="json"))

    def index(self) -> SweepIndex:
        sweep, tuning = self.sweep, self.sweep.tuning
        return SweepIndex(
            name=sweep.name,
            description=sweep.description,
            claims=sweep.claims,
            tuning=tuning,
            baseline=sweep.baseline,
            controls=sweep.controls,
            sources={
                name: tuple(self.place.below(work.run) for work in works_of(source, self.place))
                for name, source in source_points(sweep).items()
            },
            points=tuple(
                PointEntry(
                    name=point.name,
                    settings=dict(point.settings),
                    dataset_id=point.spec.dataset_id,
                    runs=tuple(self._entry(work) for work in self.by_point[point.name]),
                    tuned=self.tuned.get(point.name),
                )
                for point in self.points
            ),
        )

    def result(self) -> SweepResult:
        found = {
            name: [self.records[work.run] for work in works if work.run in self.records]
            for name, works in self.by_point.items()
        }
        labels = {point.name: point.label for point in self.points}
        return SweepResult(self.place.directory.uri, self.index(), found, labels)

    def _entry(self, work: Work) -> RunEntry:
        known = RunEntry(
            seed=work.spec.seed,
            data_seed=work.spec.task.seed,
            run_id=work.spec.run_id,
            place=self.place.below(work.run),
            state="waiting",
        )
        match self.records.get(work.run) or self.outcomes.get(work.run):
            case RunRecord() as record:
                facts = {"state": "done", "step": record.evaluation.step, "exit_reason": record.manifest.exit_reason}
            case TrainResult() as result:
                facts = {"state": "done", "step": result.step, "exit_reason": result.exit_reason}
            case StoppedError():
                facts = {"state": "stopped"}
            case GrokcoreError() as error if not isinstance(error, BusyError):
                facts = {"state": "failed", "message": str(error)}
            case _:
                facts = {}
        return known.model_copy(update=facts)


def works_of(point: Point, place: SweepPlace) -> list[Work]:
    """Return the runs of a point."""
    return [Work(point.run_name(spec), spec, place.run(spec), place.dataset(spec)) for spec in point.specs]
