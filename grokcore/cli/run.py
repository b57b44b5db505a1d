"""`grokcore run`: run the pipeline with Kubeflow Pipelines' local runner, and show progress from the run's journal."""

from __future__ import annotations

import argparse
import shlex
import sys
import threading
import time

from grokcore.cli.specs import say, spec_of
from grokcore.cli.watch import has_ended
from grokcore.errors import InputError
from grokcore.runs import JOURNAL, MANIFEST, read_journal, read_manifest
from grokcore.runs.follow import follow
from grokcore.spec import check_hardware, resolve
from grokcore.storage import Store, local_path, open_store, read_json
from grokcore.telemetry.trackers.settings import trackers_of
from grokcore.telemetry.webhook import webhook_url
from grokcore.terminal.display import RunDisplay
from grokcore.terminal.output import print_line
from grokcore.terminal.tables import print_evaluation


def run(options: argparse.Namespace) -> None:
    """Generate, train, evaluate and report one experiment."""
    if options.seeds is not None:
        raise InputError(_for_seeds(options))
    spec = resolve(spec_of(options))
    check_hardware(spec)  # fail before anything is generated
    webhook_url()
    trackers_of()
    from grokcore.local import LocalExperiment

    pipeline = LocalExperiment(spec, options.out, resume=options.resume, analyze=options.analyze)
    say(f"run {spec.run_id} of {spec.name} in {pipeline.run_directory}")
    place, done = open_store(pipeline.run_directory), threading.Event()
    asked, reached = spec.training.max_steps, _steps_so_far(place)
    if reached > asked:
        say(f"the run is at step {reached} already, beyond training.max_steps={asked}: it is left unchanged")
    display = RunDisplay(sys.stderr, place, max_steps=max(asked, reached))

    def trained() -> bool:
        """Whether training ended in this call; the manifest of a resumed run may hold the end of an earlier call."""
        manifest = pipeline.run_directory / MANIFEST
        return has_ended(place) and manifest.stat().st_mtime >= started

    def show() -> None:
        for line in follow(place, lambda: done.is_set() or trained()):
            display.show(line)
        reason = read_manifest(pipeline.run_directory).exit_reason if trained() else None
        if reason is not None:
            display.end(reason)
        display.close()
        if not done.is_set() and reason != "stopped":
            say(
                "trained; evaluating, reporting and analyzing"
                if options.analyze
                else "trained; evaluating and reporting"
            )

    say("generating data, then training; the first evaluation takes a few seconds")
    started = time.time()
    pipeline.start()
    follower = threading.Thread(target=show, daemon=True)
    follower.start()
    try:
        pipeline.wait()
    finally:
        done.set()
        follower.join()
    print_evaluation(read_json(pipeline.run_directory / "evaluation.json"))
    print_line(f"run     {pipeline.run_directory}")
    print_line(f"report  {pipeline.run_directory / 'report.html'}")


def _for_seeds(options: argparse.Namespace) -> str:
    """Name the commands that train several seeds of what `grokcore run` was asked for."""
    spec = shlex.join([options.spec, *(word for one in options.overrides for word in ("--set", one))])
    return (
        f"run trains one seed; for several: grokcore generate {spec} --out data && grokcore train {spec} --data data "
        f"--out runs --seeds {shlex.quote(options.seeds)} && grokcore evaluate runs/* && grokcore report runs "
        "--out report.html"
    )


def _steps_so_far(place: Store) -> int:
    """Last step in the journal of the run at `place`; 0 without a journal."""
    try:
        lines = read_journal(local_path(place.uri) / JOURNAL)
    except InputError:
        return 0
    return int(lines[-1]["step"]) if lines else 0
