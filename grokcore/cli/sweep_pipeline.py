"""`grokcore sweep --pipeline`: the Kubeflow pipeline parameter_sweep on its local runner, watched through the runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokcore.errors import InputError
from grokcore.runs import JOURNAL, MANIFEST, read_journal
from grokcore.spec import check_hardware
from grokcore.storage import open_store, read_json
from grokcore.sweeps.expansion import Point, expand
from grokcore.sweeps.loading import as_yaml
from grokcore.sweeps.place import SweepPlace
from grokcore.sweeps.spec import SweepSpec

if TYPE_CHECKING:
    from grokcore.sweeps.progress import SweepProgress
    from grokcore.sweeps.work import Work

_SECONDS = 2.0
"""Between two looks at the runs."""


def run_pipeline(sweep: SweepSpec, out: str, progress: SweepProgress) -> None:
    """Let the pipeline make, train, evaluate and compare everything; what is done already is left alone.

    Raises:
        InputError: the sweep cannot be run in this way, or not on this machine.
        GrokcoreError: a stage failed, with its own error.
    """
    if sweep.tuning is not None:
        raise InputError(
            f"sweep {sweep.name} begins with a search for hyperparameters, which the pipeline does not make: leave out "
            f"--pipeline, or take --untuned"
        )
    store = open_store(out)
    if store.directory is None:
        raise InputError(f"--out {out}: the local pipeline works in a directory of this machine; name one")
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
    """Tells a progress what the journals and manifests of runs show."""

    def __init__(self, points: list[Point], place: SweepPlace, progress: SweepProgress) -> None:
        from grokcore.sweeps.work import Work, all_finished

        works = [
            Work(point.label(spec), spec, place.run(spec), place.dataset(spec))
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
        """See how the runs stand that have not ended."""
        for work in list(self._left):
            self._look_at(work)

    def _look_at(self, work: Work) -> None:
        from grokcore.runs.resume import TrainResult

        journal, manifest = Path(work.run) / JOURNAL, Path(work.run) / MANIFEST
        written = _time_of(journal)
        if written > self._seen.get(work.run, self._started):
            lines: list[dict[str, Any]] = read_journal(journal)
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
    """When a file was last written, 0 for one that is not there."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
