"""Run a sweep from its specification to its comparison."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grokcore.data import DatasetInfo, generate_dataset
from grokcore.errors import AbsentError, GrokcoreError, InputError, StoppedError
from grokcore.evaluation.speedups import SpeedupReport
from grokcore.runs.record import RunRecord
from grokcore.runs.resume import TrainResult
from grokcore.spec import check_hardware
from grokcore.storage import open_store
from grokcore.sweeps.expansion import expand
from grokcore.sweeps.index import INDEX, PointEntry, RunEntry, SweepIndex, SweepPlace, TunedPoint
from grokcore.sweeps.loading import as_yaml
from grokcore.sweeps.point import Point
from grokcore.sweeps.queue import Work, all_finished, complete_runs, raise_failures
from grokcore.sweeps.sources import source_points
from grokcore.sweeps.spec import SweepSpec
from grokcore.sweeps.tuning import tune
from grokcore.terminal.sweep_progress import SweepProgress
from grokcore.training.metrics_server import serve_metrics
from grokcore.training.seeds.jobs import Outcome
from grokcore.training.seeds.train import worst_kind
from grokcore.training.signals import stop_on_signal

SWEEP = "sweep.yaml"
REPORT = "report.html"


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


def run_sweep(
    sweep: SweepSpec,
    out: str | Path,
    *,
    processes: int | None = None,
    progress: SweepProgress | None = None,
    on_result: Callable[[SweepResult], None] = lambda result: None,
) -> SweepResult:
    """Generate data, train sources, tune, train, evaluate and compare, or resume an interrupted sweep.

    The store `out` holds `datasets/DATASET_ID` and `runs/RUN_ID/local`, shared with single runs and other sweeps, the
    trials of a search in `tuning/runs/RUN_ID/local`, and the sweep, its index and its comparison in `sweeps/NAME`. A
    run that has reached its budget and is evaluated is skipped; with a larger budget it is resumed. Several processes
    may work on one store: of two that train the same run, one is refused.

    Args:
        out: path or URI of a store.
        processes: maximum number of concurrent runs on the CPU; None for one per core.
        progress: displays the state of the runs.
        on_result: called with the result once all runs have ended, even if some failed.

    Raises:
        InputError: before anything is trained: a point is invalid or cannot run on this machine.
        StoppedError: SIGINT or SIGTERM; all runs are saved, and the same call resumes them.
        GrokcoreError: some runs failed; of the class whose exit code fits best.
    """
    progress = progress or SweepProgress()
    points = expand(sweep, notify=progress.tell)
    for point in points:
        try:
            check_hardware(point.spec)
        except InputError as error:
            raise InputError(f"sweep {sweep.name}, point {point.name}: {error}") from None
    _check_packages(sweep)
    place = SweepPlace(open_store(out).uri, sweep.name)
    with stop_on_signal() as stop, serve_metrics(progress.tell, stop):
        _write_sweep(sweep, place, progress.tell)
        tuned: dict[str, TunedPoint] = {}
        sources = list(source_points(sweep).values())
        datasets = _datasets([*sources, *points], place, stop.check)
        if sources:
            _train_sources(sources, place, datasets, progress, processes=processes)
            points = expand(sweep, trained=place)
        if sweep.tuning is not None:
            tuned = tune(points, sweep.tuning, place, datasets, progress, processes=processes, check_stop=stop.check)
            points = [point.changed(tuned[point.name].values) for point in points]
        ledger = _Ledger(sweep, points, place, tuned)
        ledger.refresh()
        progress.stage("runs", before=len(ledger.records))
        outcomes = complete_runs(ledger.left, datasets, progress, processes=processes, on_end=ledger.record)
        stopped = any(outcome is None or isinstance(outcome, StoppedError) for outcome in outcomes.values())
        ledger.refresh()
        if stopped or stop.requested:
            left = len(ledger.left)
            where = f"with {left} of {len(ledger.works)} runs unfinished" if left else "before its comparison"
            raise StoppedError(f"stopped {where}; the same command goes on from there")
        result = ledger.result()
        if ledger.records:
            from grokcore.reporting import build_comparison

            comparison = build_comparison([record.uri for record in ledger.records.values()], result.directory)
            result = replace(result, speedups=comparison.speedups)
    on_result(result)
    _raise_failures(outcomes, ledger)
    return result


@dataclass
class _Ledger:
    """State of the runs of a sweep, kept up to date in index.json."""

    sweep: SweepSpec
    points: Sequence[Point]
    place: SweepPlace
    tuned: Mapping[str, TunedPoint]
    records: dict[str, RunRecord] = field(default_factory=dict)
    outcomes: dict[str, TrainResult | GrokcoreError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_point = {point.name: _works(point, self.place) for point in self.points}
        self.works = [work for works in self.by_point.values() for work in works]

    @property
    def left(self) -> list[Work]:
        """Unfinished runs."""
        return [work for work in self.works if work.run not in self.records]

    def refresh(self) -> None:
        """Read the state of all runs from the store."""
        self.records = all_finished(self.works)
        self.write()

    def record(self, work: Work, outcome: TrainResult | GrokcoreError) -> None:
        """Record the outcome of a run."""
        self.outcomes[work.run] = outcome
        self.write()

    def write(self) -> None:
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
                name: tuple(self.place.below(work.run) for work in _works(source, self.place))
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
            case GrokcoreError() as error:
                facts = {"state": "failed", "message": str(error)}
            case _:
                facts = {}
        return known.model_copy(update=facts)


def _check_packages(sweep: SweepSpec) -> None:
    """Fail early on a missing package, not after hours of training."""
    for package in ("torch", "bokeh", *(["optuna"] if sweep.tuning else [])):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)


def _write_sweep(sweep: SweepSpec, place: SweepPlace, notify: Callable[[str], None]) -> None:
    text = as_yaml(sweep).encode()
    try:
        if place.directory.read(SWEEP) != text:
            notify(f"{place.directory} held another version of this sweep; runs common to both are kept")
    except AbsentError:
        pass
    place.directory.write(SWEEP, text)


def _datasets(points: Sequence[Point], place: SweepPlace, check_stop: Callable[[], None]) -> dict[str, DatasetInfo]:
    """Generate each dataset of the points once; return them by URI."""
    datasets: dict[str, DatasetInfo] = {}
    for name, spec in [(point.name, spec) for point in points for spec in point.draws]:
        uri = place.dataset(spec)
        if uri not in datasets:
            check_stop()
            try:
                datasets[uri] = generate_dataset(spec.task, uri)
            except InputError as error:
                raise InputError(f"point {name}: {error}") from None
    return datasets


def _train_sources(
    sources: Sequence[Point],
    place: SweepPlace,
    datasets: Mapping[str, DatasetInfo],
    progress: SweepProgress,
    *,
    processes: int | None = None,
) -> None:
    """Train and evaluate the runs of all sources that are not finished.

    Raises:
        StoppedError: at a signal; the same call resumes.
        GrokcoreError: some failed; of the class whose exit code fits best.
    """
    works = {work.run: work for source in sources for work in _works(source, place)}
    finished = all_finished(list(works.values()))
    progress.stage("sources", before=len(finished))
    left = [work for run, work in works.items() if run not in finished]
    raise_failures(complete_runs(left, datasets, progress, processes=processes), works, "sources")


def _works(point: Point, place: SweepPlace) -> list[Work]:
    """Return the runs of a point."""
    return [Work(point.run_name(spec), spec, place.run(spec), place.dataset(spec)) for spec in point.specs]


def _raise_failures(outcomes: Mapping[str, Outcome], ledger: _Ledger) -> None:
    failed = {run: outcome for run, outcome in outcomes.items() if isinstance(outcome, GrokcoreError)}
    failed = {run: error for run, error in failed.items() if run not in ledger.records}
    if failed:
        names = [work.label for work in ledger.works if work.run in failed]
        raise worst_kind(failed.values())(
            f"{len(failed)} of {len(ledger.works)} runs failed ({'; '.join(names[:5])}"
            f"{'; ...' if len(names) > 5 else ''}); the other runs are complete"
        )
