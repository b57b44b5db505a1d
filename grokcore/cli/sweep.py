"""`grokcore sweep`: train the points of a sweep here, or with --pipeline by Kubeflow, and compare them."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokcore.cli.specs import say
from grokcore.errors import InputError
from grokcore.runs import JOURNAL, MANIFEST, read_journal
from grokcore.spec import check_hardware
from grokcore.spec.loading import parse_seeds
from grokcore.storage import open_store, read_json
from grokcore.sweeps.expansion import expand
from grokcore.sweeps.index import SweepPlace
from grokcore.sweeps.loading import as_yaml, load_sweep, sweep_names, with_changes
from grokcore.sweeps.point import Point
from grokcore.sweeps.shard import WHOLE, Shard
from grokcore.sweeps.sources import source_points
from grokcore.sweeps.spec import SweepSpec
from grokcore.telemetry.sinks import nonblocking_stream
from grokcore.telemetry.trackers.settings import trackers_of
from grokcore.telemetry.webhook import webhook_url
from grokcore.terminal.output import print_line
from grokcore.terminal.speedups import print_speedups
from grokcore.terminal.tables import print_columns

if TYPE_CHECKING:
    from grokcore.evaluation.samples import Sample
    from grokcore.runs.record import RunRecord
    from grokcore.sweeps.index import SweepIndex
    from grokcore.sweeps.ledger import SweepResult
    from grokcore.sweeps.queue import Work
    from grokcore.terminal.sweep_progress import SweepProgress


def sweep(options: argparse.Namespace) -> None:
    """List sweeps, print the points of one, or run it."""
    if options.list:
        _list()
        return
    if options.sweep is None:
        raise InputError(f"name a sweep: {', '.join(sweep_names())}")
    spec = _spec(options)
    if options.dry_run:
        _show(spec, expand(spec, notify=say))
        return
    if options.out is None:
        raise InputError("--out URI is required: the store for data, runs and the comparison")
    from grokcore.training.signals import stop_on_signal

    with stop_on_signal():  # as early as this: importing the libraries takes seconds
        _run(spec, options)


def _spec(options: argparse.Namespace) -> SweepSpec:
    """Load the sweep with the changes of the command line."""
    spec = load_sweep(options.sweep, options.overrides, notify=say)
    changes: dict[str, object] = {}
    if options.seeds is not None:
        changes["seeds"] = tuple(parse_seeds(options.seeds))
    if options.only:
        changes["only"] = tuple(options.only)
    if options.most_runs is not None:
        changes["most_runs"] = options.most_runs
    if options.untuned:
        changes["tuning"] = None
    return with_changes(spec, (), **changes)


def _run(spec: SweepSpec, options: argparse.Namespace) -> None:
    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs {options.jobs} must be at least 1")
    if options.jobs is not None and options.pipeline:
        raise InputError(
            "--jobs and --pipeline exclude each other: the pipeline's runner decides how many runs are concurrent"
        )
    shard = WHOLE if options.shard is None else Shard.parse(options.shard)
    if options.shard is not None and options.pipeline:
        raise InputError("--shard and --pipeline exclude each other: the pipeline divides the runs itself")
    webhook_url()  # fail early on an invalid URL
    trackers_of()
    from grokcore.sweeps.run import run_sweep
    from grokcore.terminal.sweep_progress import SweepProgress

    results: list[SweepResult] = []
    try:
        with nonblocking_stream(sys.stderr) as stream:
            progress = SweepProgress(stream)
            try:
                if options.pipeline:
                    run_pipeline(spec, options.out, progress)
                run_sweep(
                    spec,
                    options.out,
                    processes=options.jobs,
                    shard=shard,
                    progress=progress,
                    on_result=results.append,
                )
            finally:
                progress.close()
    finally:
        for result in results:  # also if some runs failed
            print_result(result)


def _list() -> None:
    names = sweep_names()
    indent = max(map(len, names)) + 2
    columns = max(40, shutil.get_terminal_size((120, 24)).columns)
    for name in names:
        text = textwrap.wrap(load_sweep(name).description, columns - indent) or [""]
        print_line(f"{name:<{indent}}{text[0]}")
        for line in text[1:]:
            print_line(f"{'':<{indent}}{line}")


def _show(spec: SweepSpec, points: Sequence[Point]) -> None:
    """Print the points of a sweep and their ids."""
    seeds = ",".join(map(str, spec.seeds))
    draws = f" on draws {','.join(map(str, spec.data_seeds))} of the data" if spec.data_seeds else ""
    runs = sum(len(one.specs) for one in points)
    print_line(f"{spec.name}: {len(points)} points, seeds {seeds}{draws}: {runs} runs")
    rows = [("point", "dataset", "run of the first seed", "steps")]
    rows += [
        (
            *(point.name, point.spec.dataset_id, "after its source" if point.start else point.spec.run_id),
            f"{point.spec.training.max_steps:,}",
        )
        for point in points
    ]
    print_columns(rows)
    for source in source_points(spec).values():
        seeds = ",".join(map(str, source.seeds))
        print_line(f"source {source.name}: {source.spec.training.max_steps:,} steps of seeds {seeds}, trained first")
    if spec.tuning is not None:
        print_line(
            f"tuning first: {spec.tuning.trials} trials of {spec.tuning.steps:,} steps for each point, over "
            f"{', '.join(spec.tuning.search)}; --untuned skips them"
        )
    if spec.claims:
        print_line(f"tests the claims {', '.join(spec.claims)}")


def print_result(result: SweepResult) -> None:
    """Print results per point over its seeds, tuned values, and where the comparison is."""
    from grokcore.evaluation.samples import samples_of
    from grokcore.runs.groups import labels_of

    print_line(
        f"{result.index.name}: median step from which each split was sustained, and how many of the runs grokked"
    )
    samples = {name: samples_of([r.evaluation for r in records]) for name, records in result.records.items() if records}
    splits = list(dict.fromkeys(split for found in samples.values() for split in found))
    rows = [("point", "runs", *splits)]
    for name, records in result.records.items():
        found = samples.get(name, {})
        rows.append(
            (result.labels[name], _runs(records, result.index, name), *(_cell(found.get(split)) for split in splits))
        )
    print_columns(rows)
    for point in result.index.points:
        if point.tuned is not None:
            (values,) = labels_of([point.tuned.values])
            trials = len(point.tuned.trials)
            print_line(
                f"tuned  {result.labels[point.name]}: {values}  ({trials} trials, {point.tuned.flops:.2g} FLOPs)"
            )
    if result.speedups is not None:
        print_speedups(result.speedups)
    print_line(f"index   {result.directory}/index.json")
    if samples:
        print_line(f"report  {result.report}")


def _runs(records: Sequence[RunRecord], index: SweepIndex, name: str) -> str:
    wanted = next(len(point.runs) for point in index.points if point.name == name)
    return f"{len(records)}/{wanted}"


def _cell(sample: Sample | None) -> str:
    """Format median time, verdicts and final accuracy: `> 3,500, 0/3 grokked, .41`."""
    return "" if sample is None else ", ".join(_parts(sample))


def _parts(sample: Sample) -> Iterator[str]:
    yield f"> {sample.median.step:,}" if sample.median.censored else f"{sample.median.step:,}"
    verdicts: Mapping[str, int] = Counter(sample.verdicts)
    if sample.verdicts:
        yield f"{verdicts['grokked']}/{sample.runs} grokked"
    yield f"accuracy {sample.accuracy.median:.3f}" if sample.accuracy else "accuracy nan"


_SECONDS = 2.0
"""Interval between two looks at the runs."""


def run_pipeline(sweep: SweepSpec, out: str, progress: SweepProgress) -> None:
    """Run the pipeline parameter_sweep; finished runs are skipped.

    Raises:
        InputError: the pipeline cannot run this sweep, or this machine cannot.
        GrokcoreError: the error of a failed stage.
    """
    if sweep.tuning is not None:
        raise InputError(
            f"sweep {sweep.name} starts with a hyperparameter search, which the pipeline does not support: leave out "
            f"--pipeline, or add --untuned"
        )
    if sweep.sources:
        raise InputError(
            f"sweep {sweep.name} trains sources first, which the pipeline does not support: leave out --pipeline"
        )
    store = open_store(out)
    if store.directory is None:
        raise InputError(f"--out {out}: the local pipeline needs a directory on this machine")
    points = expand(sweep, notify=progress.tell)
    for point in points:
        check_hardware(point.spec)
    from grokcore.local import RUN_KEY, LocalPipeline

    place = str(store.directory.absolute())
    arguments = {"sweep": as_yaml(sweep), "store": place, "run_key": RUN_KEY}
    pipeline = LocalPipeline("parameter_sweep", arguments, place)
    progress.tell(f"the pipeline's log is {pipeline.log}")
    watch = _Watch(points, SweepPlace(place, sweep.name), progress)
    pipeline.start()
    pipeline.wait(watch.look, interval=_SECONDS)


class _Watch:
    """Update the progress from the journals and manifests of the runs."""

    def __init__(self, points: list[Point], place: SweepPlace, progress: SweepProgress) -> None:
        from grokcore.sweeps.queue import Work, all_finished

        works = [
            Work(point.run_name(spec), spec, place.run(spec), place.dataset(spec))
            for point in points
            for spec in point.specs
        ]
        done = all_finished(works)
        self._left = [work for work in works if work.run not in done]
        self._progress, self._started = progress, time.time()
        self._seen: dict[str, float] = {}
        progress.stage("runs", before=len(done))
        progress.expect({work.run: (work.label, work.spec.training.max_steps, 1.0) for work in self._left})

    def look(self) -> None:
        """Update the runs that have not ended."""
        for work in list(self._left):
            self._look_at(work)

    def _look_at(self, work: Work) -> None:
        from grokcore.runs.resume import TrainResult

        journal, manifest = Path(work.run) / JOURNAL, Path(work.run) / MANIFEST
        written = _time_of(journal)
        if written > self._seen.get(work.run, self._started):
            lines = read_journal(journal)
            if lines:
                if work.run not in self._seen:
                    self._progress.begin(work.run)
                self._seen[work.run] = written
                self._progress.show(work.run, lines[-1])
        if _time_of(manifest) > self._started:
            facts: Mapping[str, Any] = read_json(manifest)
            if facts["exit_reason"] is not None and work.run in self._seen:
                step = read_journal(journal)[-1]["step"]
                self._progress.end(work.run, TrainResult(work.run, facts["exit_reason"], step))
                self._left.remove(work)


def _time_of(file: Path) -> float:
    """Modification time of a file, 0 if it is absent."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
