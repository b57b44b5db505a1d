"""The stages as commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grokcore.cli.output import print_line
from grokcore.cli.seeds import train_seeds
from grokcore.cli.specs import say, spec_of
from grokcore.cli.summary import print_evaluation, print_seeds
from grokcore.errors import InputError
from grokcore.runs import MANIFEST, read_manifest
from grokcore.runs.artifacts import signpost
from grokcore.spec import ExperimentSpec, check_hardware, read_spec, resolve
from grokcore.spec.ranks import rank_of_environment
from grokcore.stage import stage
from grokcore.storage import local_copy, open_store
from grokcore.terminal.display import Line, RunDisplay

if TYPE_CHECKING:
    from grokcore.training.signals import StopRequest


def train(options: argparse.Namespace) -> None:
    from grokcore.training.signals import stop_on_signal

    with stop_on_signal() as stop:  # from here on, since the libraries take seconds to load
        if options.seeds is not None:
            if options.processes is not None:
                raise InputError("--processes is for one run, and --seeds makes several: leave one of them out")
            train_seeds(options)
        else:
            with _launched(options, stop):
                _train_one(options, stop)


@contextmanager
def _launched(options: argparse.Namespace, stop: StopRequest) -> Iterator[None]:
    """Heed the launcher of this training, if there is one, and leave word of a failure where it looks."""
    from grokcore.training.heartbeat import is_launched, stop_without_launcher

    if not is_launched():
        yield
        return
    with stage("train", options.out), stop_without_launcher(options.out, stop, notify=say):
        yield


def _train_one(options: argparse.Namespace, stop: StopRequest) -> None:
    spec, processes = _shared_out(options)
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
    heading = [signpost(options.out, spec.run_id)]  # before all else, but not before an error, which stays one line

    def tell(remark: str) -> None:
        while heading:
            display.tell(heading.pop())
        display.tell(remark)

    def show(line: Line) -> None:
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
    print_line(f"next: grokcore evaluate {options.out}")


def _shared_out(options: argparse.Namespace) -> tuple[ExperimentSpec, int]:
    """The resolved spec of a training, and how many processes to start for it."""
    from grokcore.training.distributed.launch import processes_here

    wanted, together = options.processes, rank_of_environment().world_size
    if wanted is not None and wanted < 1:
        raise InputError(f"--processes {wanted} must be at least 1")
    if together > 1:  # somebody has started them already
        if wanted not in (None, together):
            raise InputError(f"--processes {wanted}, but this is one of {together} processes: leave it out")
        return resolve(spec_of(options), devices=together), 1
    spec = resolve(spec_of(options), devices=wanted)
    processes = wanted or processes_here(spec)
    check_hardware(spec, processes=processes)
    return spec, processes


def _train_together(options: argparse.Namespace, processes: int, stop: StopRequest) -> None:
    """This same command in several processes, the first of which does all the talking."""
    from grokcore.training.distributed.launch import error_of, launch, python

    code = launch(python("-m", "grokcore", *options.arguments), processes, stop=stop, notify=say)
    if code:
        error = error_of(code)(f"a process of this training ended with exit code {code}")
        error.said = True
        raise error


def evaluate(options: argparse.Namespace) -> None:
    """One run in all detail; several as tables, one for all seeds of a spec."""
    specs = _specs_of_different(options.runs)
    from grokcore.evaluation import evaluate_model
    from grokcore.evaluation.seeds import group_key, grouped

    evaluations = {}
    for run in specs:
        evaluations[run] = evaluate_model(run, data=options.data, notify=say)
        if len(specs) > 1:
            say(f"evaluated {run}")
    for group in grouped(list(specs), lambda run: group_key(specs[run])):
        if len(group) > 1:
            names = [run.rstrip("/").rpartition("/")[2] for run in group]
            labels = names if len(set(names)) == len(names) else group
            found = {label: evaluations[run] for label, run in zip(labels, group, strict=True)}
            print_seeds(found, specs[group[0]].name)
        else:
            if len(specs) > 1:
                print_line(group[0])
            print_evaluation(evaluations[group[0]].model_dump(mode="json"))


def _specs_of_different(runs: list[str]) -> dict[str, ExperimentSpec]:
    """The spec of each run, none of which may count twice among the seeds of a spec."""
    specs: dict[str, ExperimentSpec] = {}
    places: dict[str, str] = {}
    for run in runs:
        with local_copy(run, (MANIFEST, "spec.yaml")) as record:
            identity = read_manifest(record).run_id
            if identity in places:
                raise InputError(f"{run} is the same run as {places[identity]}, seed included: name one of them")
            places[identity], specs[run] = run, read_spec(record / "spec.yaml")
    return specs


def report(options: argparse.Namespace) -> None:
    from grokcore.reporting import build_report

    print_line(build_report(options.runs, options.out, notify=say))
