"""`grokcore runs`: list, inspect, pack and delete the runs in a store, and write their models."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from grokcore.cli.specs import say
from grokcore.errors import InputError, printable
from grokcore.runs import (
    CheckpointFacts,
    RunDetail,
    RunSummary,
    check_run,
    delete_leftovers,
    delete_run,
    describe_run,
    list_runs,
)
from grokcore.storage import local_path, open_store
from grokcore.terminal.output import print_line, print_text
from grokcore.terminal.tables import print_columns

if TYPE_CHECKING:
    from grokcore.evaluation.records import Unfinished


def list_(options: argparse.Namespace) -> None:
    """List all runs in a directory and its subdirectories."""
    root = open_store(options.uri)
    runs = list_runs(root)
    if options.json:
        print_text(json.dumps([_record(run) for run in runs], indent=2))
    elif not runs:
        say(f"no runs in {options.uri}")
    else:
        head = ("run", "name", "model.architecture", "task.kind", "seed", "step", "state", "size", "last written")
        print_columns([head, *(_row(run) for run in runs)])


def _row(run: RunSummary) -> tuple[str, ...]:
    known = (run.name, run.architecture, run.task, run.seed, run.step)
    return (
        run.place or ".",
        *("-" if value is None else str(value) for value in known),
        run.state,
        size(run.bytes),
        _time(run.modified).replace("T", " ").removesuffix("Z")[:16],
    )


def _record(run: RunSummary) -> dict[str, Any]:
    return {**asdict(run), "modified": _time(run.modified)}


def show(options: argparse.Namespace) -> None:
    """Show one run, its checkpoints and leftovers."""
    detail = describe_run(open_store(options.uri), verify=options.verify)
    if options.json:
        print_text(json.dumps({**asdict(detail), **_replaced(detail)}, indent=2))
        return
    print_columns(list(_facts(detail)))
    if detail.checkpoints:
        print_line("checkpoints")
        print_columns([_checkpoint(facts) for facts in detail.checkpoints])
    junk = [*((file.key, size(file.size)) for file in detail.orphans), *((name, "") for name in detail.leftovers)]
    if junk:
        print_line(f"leftovers of interrupted writes (grokcore runs delete --leftovers {shlex.quote(options.uri)})")
        print_columns(junk)


def _checkpoint(facts: CheckpointFacts) -> tuple[str, ...]:
    state = facts.state if facts.problem is None else f"damaged: {facts.problem}"
    return f"step {facts.step}", size(facts.bytes), ", ".join(facts.milestones), state


def _facts(detail: RunDetail) -> Iterator[tuple[str, str]]:
    run, manifest = detail.summary, detail.manifest
    yield "run", run.uri
    yield "state", run.state
    yield "last evaluation", "none" if run.step is None else f"step {run.step}"
    if manifest is not None:
        yield "name", manifest.name
        yield "run_id", manifest.run_id
        yield "model", f"{run.architecture}, {manifest.model.parameters:,} parameters"
        yield "task", f"{run.task}, dataset {manifest.dataset.id} at {manifest.dataset.uri}"
        yield "seed", str(run.seed)
        yield "started", manifest.started
        yield "finished", manifest.finished or "-"
    yield "last written", _time(run.modified)
    yield "size", size(run.bytes)
    yield from detail.files.items()


def _replaced(detail: RunDetail) -> dict[str, Any]:
    """Fields of a detail that need conversion to JSON."""
    return {
        "summary": _record(detail.summary),
        "manifest": detail.manifest.model_dump() if detail.manifest is not None else None,
    }


def pack(options: argparse.Namespace) -> None:
    """Write the records of evaluated runs to one archive."""
    from grokcore.evaluation.records import read_records
    from grokcore.runs.packing import pack_runs

    unfinished: Unfinished = "skip" if options.skip_unfinished else "refuse"
    records = read_records(options.uris, unfinished=unfinished, notify=say)
    path = local_path(options.out)
    pack_runs(records, path)
    print_line(f"{len(records)} run{'' if len(records) == 1 else 's'}, {size(path.stat().st_size)}: {options.out}")


def delete(options: argparse.Namespace) -> None:
    """Delete a run, or only its leftovers, after confirmation."""
    run = open_store(options.uri)
    check_run(run)
    what = "the leftovers of interrupted writes in" if options.leftovers else "the run at"
    if not options.yes and not confirmed(f"delete {what} {run}?"):
        say("nothing was deleted")
        return
    if options.leftovers:
        names = delete_leftovers(run, notify=say)
        print_line(f"deleted {len(names)} leftovers of {run}")
        for name in names:
            print_line(f"  {name}")
    else:
        delete_run(run, notify=say)
        print_line(f"deleted {run}")


def model(options: argparse.Namespace) -> None:
    """Write the model of a run's end or of another saved step, with tokenizer and card."""
    from grokcore.evaluation import export_model

    step = int(options.step) if options.step is not None and options.step.isdecimal() else options.step
    written = export_model(options.uri, options.out, step=step, data=options.data, notify=say)
    print_line(f"model of step {written} at {options.out}")


def confirmed(question: str) -> bool:
    """Ask on the terminal.

    Raises:
        InputError: stdin is not a terminal.
    """
    if not sys.stdin.isatty():
        raise InputError(f"{question} Confirm with --yes")
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def size(number: int) -> str:
    """Format a number of bytes in decimal units."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
