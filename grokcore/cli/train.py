"""`grokcore train`: train one run in one process or several, or with --seeds one run per seed."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grokcore.cli.specs import say, spec_of
from grokcore.errors import GrokcoreError, InputError, StoppedError
from grokcore.runs import JOURNAL, read_journal
from grokcore.runs.artifacts import log_header
from grokcore.runs.journal import JournalLine
from grokcore.spec import ExperimentSpec, check_hardware, resolve
from grokcore.spec.loading import parse_seeds
from grokcore.spec.ranks import rank_of_environment
from grokcore.stage import stage
from grokcore.storage import local_copy, open_store
from grokcore.telemetry.sinks import nonblocking_stream
from grokcore.terminal.display import RunDisplay
from grokcore.terminal.output import print_line
from grokcore.terminal.seeds_progress import SeedsProgress

if TYPE_CHECKING:
    from grokcore.training import TrainResult
    from grokcore.training.signals import StopRequest


def train(options: argparse.Namespace) -> None:
    """Train one run, or one per seed."""
    from grokcore.training.signals import stop_on_signal

    with stop_on_signal() as stop:  # as early as this: importing the libraries takes seconds
        if options.seeds is not None:
            if options.processes is not None:
                raise InputError("--processes and --seeds exclude each other: --processes is for a single run")
            _train_seeds(options)
        else:
            with _launched(options, stop):
                _train_one(options, stop)


@contextmanager
def _launched(options: argparse.Namespace, stop: StopRequest) -> Iterator[None]:
    """Under a launcher: stop when its heartbeat ends, and record a failure where it looks for one."""
    from grokcore.training.heartbeat import is_launched, stop_without_launcher

    if not is_launched():
        yield
        return
    with stage("train", options.out), stop_without_launcher(options.out, stop, notify=say):
        yield


def _train_one(options: argparse.Namespace, stop: StopRequest) -> None:
    spec, processes = _spec_and_processes(options)
    if processes > 1:
        _train_together(options, processes, stop)
        return
    from grokcore.training import train_model
    from grokcore.training.distributed.launch import PARENT_VARIABLE

    stop.check()
    with_parent = PARENT_VARIABLE in os.environ
    if rank_of_environment().rank:
        train_model(spec, options.data, options.out, resume=options.resume, stop_with_parent=with_parent)
        return
    display = RunDisplay(sys.stderr, open_store(options.out), max_steps=spec.training.max_steps)
    heading = [
        log_header(options.out, spec.run_id)
    ]  # printed before other output, but not before an error, which stays one line

    def tell(remark: str) -> None:
        while heading:
            display.tell(heading.pop())
        display.tell(remark)

    def show(line: JournalLine) -> None:
        while heading:
            display.tell(heading.pop())
        display.show(line)

    with display.closed_at_end():
        result = train_model(
            spec,
            options.data,
            options.out,
            resume=options.resume,
            stop_with_parent=with_parent,
            on_evaluation=show,
            notify=tell,
        )
        display.end(result.exit_reason)
    print_line(f"run at {options.out}: {result.exit_reason} after {result.step} steps")
    print_line(f"next: grokcore evaluate {shlex.quote(options.out)}")


def _spec_and_processes(options: argparse.Namespace) -> tuple[ExperimentSpec, int]:
    """Return the resolved spec, and the number of processes to start (1 inside a group that was started already)."""
    from grokcore.training.distributed.launch import processes_here

    wanted, together = options.processes, rank_of_environment().world_size
    if wanted is not None and wanted < 1:
        raise InputError(f"--processes {wanted} must be at least 1")
    if together > 1:  # a launcher such as torchrun started this process
        if wanted not in (None, together):
            raise InputError(
                f"--processes {wanted} contradicts the {together} processes that the launcher started: leave it out"
            )
        return resolve(spec_of(options), devices=together), 1
    spec = resolve(spec_of(options), devices=wanted)
    processes = wanted or processes_here(spec)
    check_hardware(spec, processes=processes)
    return spec, processes


def _train_together(options: argparse.Namespace, processes: int, stop: StopRequest) -> None:
    """Run this command in several processes; rank 0 prints."""
    from grokcore.training.distributed.launch import error_of, launch, python

    code = launch(python("-m", "grokcore", *options.arguments), processes, stop=stop, notify=say)
    if code:
        error = error_of(code)(f"a training process ended with exit code {code}")
        error.reported = True
        raise error


def _train_seeds(options: argparse.Namespace) -> None:
    """Train all seeds; a failure of one is raised after the others have ended."""
    seeds = parse_seeds(options.seeds)
    specs = _specs(options, seeds)
    with nonblocking_stream(sys.stderr) as stream:
        progress = SeedsProgress(stream, seeds, max_steps=specs[0].training.max_steps)
        try:
            results = _train_all(options, specs, progress)
        finally:
            progress.close()
    out = options.out.rstrip("/")
    print_line(f"{len(results)} runs at {out}/seed-*: seeds {options.seeds}")
    # A shell expands patterns over local files but not over objects, so object names are spelled out.
    names = "*" if open_store(out).directory else f"{{{','.join(map(str, seeds))}}}" if len(seeds) > 1 else seeds[0]
    print_line(f"next: grokcore evaluate {shlex.quote(out)}/seed-{names}")


def _train_all(options: argparse.Namespace, specs: list[ExperimentSpec], progress: SeedsProgress) -> list[TrainResult]:
    from grokcore.training import TrainResult, train_seeds

    def end(seed: int, outcome: TrainResult | GrokcoreError) -> None:
        if isinstance(outcome, TrainResult):
            progress.end(seed, "done", f"{outcome.exit_reason} after {outcome.step} steps", _last_line(outcome.run_uri))
        elif isinstance(outcome, StoppedError):
            progress.end(seed, "stopped", str(outcome))
        else:
            progress.end(seed, "failed", f"failed: {outcome}")

    return train_seeds(
        specs,
        options.data,
        options.out,
        resume=options.resume,
        on_evaluation=progress.show,
        on_end=end,
        notify=lambda line: progress.tell(f"grokcore: {line}"),
    )


def _last_line(run_uri: str) -> JournalLine | None:
    """Last evaluation of a finished run; None if its store does not answer."""
    try:
        with local_copy(run_uri, (JOURNAL,)) as run:
            return read_journal(run / JOURNAL)[-1]
    except GrokcoreError:
        return None


def _specs(options: argparse.Namespace, seeds: list[int]) -> list[ExperimentSpec]:
    if any(override.partition("=")[0].strip() == "seed" for override in options.overrides):
        raise InputError("--seeds and --set seed contradict each other: give one of them")
    spec = spec_of(options)
    return [spec.model_copy(update={"seed": seed}) for seed in seeds]
