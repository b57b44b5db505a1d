"""Run a sweep from its specification to its comparison."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grokcore.data import DatasetInfo, generate_dataset
from grokcore.errors import AbsentError, GrokcoreError, InputError, StoppedError
from grokcore.spec import check_hardware
from grokcore.storage import open_store
from grokcore.sweeps.expansion import expand
from grokcore.sweeps.index import SweepPlace, TunedPoint
from grokcore.sweeps.ledger import Ledger, SweepResult, works_of
from grokcore.sweeps.loading import as_yaml
from grokcore.sweeps.point import Point
from grokcore.sweeps.queue import all_finished, complete_runs, raise_failures
from grokcore.sweeps.shard import WHOLE, Shard
from grokcore.sweeps.sources import source_points
from grokcore.sweeps.spec import SweepSpec
from grokcore.sweeps.tuning import tune
from grokcore.terminal.sweep_progress import SweepProgress
from grokcore.training.metrics_server import serve_metrics
from grokcore.training.seeds.jobs import Outcome
from grokcore.training.seeds.train import worst_kind
from grokcore.training.signals import stop_on_signal

SWEEP = "sweep.yaml"


def run_sweep(
    sweep: SweepSpec,
    out: str | Path,
    *,
    processes: int | None = None,
    shard: Shard = WHOLE,
    progress: SweepProgress | None = None,
    on_result: Callable[[SweepResult], None] = lambda result: None,
) -> SweepResult:
    """Generate data, train sources, tune, train, evaluate and compare, or resume an interrupted sweep.

    The store `out` holds `datasets/DATASET_ID` and `runs/RUN_ID/local`, shared with single runs and other sweeps, the
    trials of a search in `tuning/runs/RUN_ID/local`, and the sweep, its index and its comparison in `sweeps/NAME`. A
    run that has reached its budget and is evaluated is skipped; with a larger budget it is resumed. Several processes
    may work on one store: a run that another one trains is waited for, after all others.

    Args:
        out: path or URI of a store.
        processes: maximum number of concurrent runs on the CPU; None for one per core.
        shard: the part of the runs to train. The shard that finds all runs finished at its end writes the index and
            the comparison.
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
    if sweep.tuning is not None and not shard.is_whole:
        raise InputError(
            f"sweep {sweep.name} starts with a hyperparameter search, which every shard would repeat: run it without "
            f"--shard, or add --untuned"
        )
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
        ledger = Ledger(sweep, points, place, tuned, shard)
        ledger.refresh(ledger.mine)
        ledger.write()
        progress.stage("runs", before=len(ledger.records))
        outcomes = complete_runs(
            [work for work in ledger.mine if work.run not in ledger.records],
            datasets,
            progress,
            processes=processes,
            on_end=ledger.record,
        )
        stopped = any(outcome is None or isinstance(outcome, StoppedError) for outcome in outcomes.values())
        ledger.refresh()
        left = len(ledger.left)
        ledger.write()
        if stopped or stop.requested:
            where = f"with {left} of {len(ledger.works)} runs unfinished" if left else "before its comparison"
            raise StoppedError(f"stopped {where}; the same command goes on from there")
        result = ledger.result()
        if left and not shard.is_whole:
            progress.tell(
                f"shard {shard} has ended, with {left} of all {len(ledger.works)} runs unfinished: the shard that ends "
                "last compares them, or the same command without --shard"
            )
        elif ledger.records:
            from grokcore.reporting import build_comparison

            comparison = build_comparison([record.uri for record in ledger.records.values()], result.directory)
            result = replace(result, speedups=comparison.speedups)
    if shard.is_whole or not left:
        on_result(result)
    _raise_failures(outcomes, ledger)
    return result


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
    works = {work.run: work for source in sources for work in works_of(source, place)}
    finished = all_finished(list(works.values()))
    progress.stage("sources", before=len(finished))
    left = [work for run, work in works.items() if run not in finished]
    raise_failures(complete_runs(left, datasets, progress, processes=processes), works, "sources")


def _raise_failures(outcomes: Mapping[str, Outcome], ledger: Ledger) -> None:
    failed = {run: outcome for run, outcome in outcomes.items() if isinstance(outcome, GrokcoreError)}
    failed = {run: error for run, error in failed.items() if run not in ledger.records}
    if failed:
        names = [work.label for work in ledger.works if work.run in failed]
        raise worst_kind(failed.values())(
            f"{len(failed)} of {len(ledger.works)} runs failed ({'; '.join(names[:5])}"
            f"{'; ...' if len(names) > 5 else ''}); the other runs are complete"
        )
