"""The stages as commands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grokcore.cli.seeds import train_seeds
from grokcore.cli.specs import say, spec_of
from grokcore.cli.summary import print_evaluation, print_seeds
from grokcore.errors import InputError
from grokcore.spec import read_spec
from grokcore.storage import local_path
from grokcore.telemetry import JOURNAL, MANIFEST, Progress, follow, read_journal, read_manifest


def generate(options: argparse.Namespace) -> None:
    from grokcore.data import generate_dataset

    spec = spec_of(options)
    info = generate_dataset(spec.task, options.out, format=options.format)
    print(f"dataset {info.id} at {options.out}: {info.vocabulary_size} tokens")
    width = max(len(name) for name in info.splits)
    for name, split in info.splits.items():
        print(
            f"  {name:<{width}}  {split.role:<10}  {split.rows:>12,} rows  {split.probes:>6,} probes"
            f"  majority baseline {split.majority_baseline:.3f}"
        )


def train(options: argparse.Namespace) -> None:
    if options.seeds is not None:
        train_seeds(options)
        return
    spec = spec_of(options)
    from grokcore.training import train_model

    progress = Progress(sys.stderr, max_steps=spec.training.max_steps)
    try:
        result = train_model(
            spec, options.data, options.out, resume=options.resume, on_evaluation=progress.show, notify=say
        )
    finally:
        progress.close()
    print(f"run at {options.out}: {result.exit_reason} after {result.step} steps")
    print(f"next: grokcore evaluate {options.out}")


def evaluate(options: argparse.Namespace) -> None:
    """One run in all detail; several as tables, one for all seeds of a spec."""
    runs = _different([local_path(run) for run in options.runs])
    from grokcore.evaluation import evaluate_model
    from grokcore.evaluation.seeds import group_key, grouped

    evaluations = {}
    for run in runs:
        evaluations[run] = evaluate_model(run, data=options.data)
        if len(runs) > 1:
            say(f"evaluated {run}")
    for group in grouped(runs, lambda run: group_key(read_spec(run / "spec.yaml"))):
        if len(group) > 1:
            names = [run.name for run in group]
            labels = names if len(set(names)) == len(names) else [str(run) for run in group]
            found = {label: evaluations[run] for label, run in zip(labels, group, strict=True)}
            print_seeds(found, read_spec(group[0] / "spec.yaml").name)
        else:
            if len(runs) > 1:
                print(group[0])
            print_evaluation(evaluations[group[0]].model_dump(mode="json"))


def _different(runs: list[Path]) -> list[Path]:
    """The runs, none of which may count twice among the seeds of a spec."""
    places: dict[str, Path] = {}
    for run in runs:
        identity = read_manifest(run).run_id
        if identity in places:
            raise InputError(f"{run} is the same run as {places[identity]}, seed included: name one of them")
        places[identity] = run
    return runs


def report(options: argparse.Namespace) -> None:
    from grokcore.reporting import build_report

    print(build_report(options.runs, options.out))


def watch(options: argparse.Namespace) -> None:
    """Follow a run until its manifest says that it has ended."""
    run = local_path(options.run)
    read_manifest(run)
    progress = Progress(sys.stdout, max_steps=read_spec(run / "spec.yaml").training.max_steps, quiet_seconds=0)
    try:
        for line in follow(run / JOURNAL, lambda: has_ended(run)):
            progress.show(line)
    finally:
        progress.close()
    lines = read_journal(run / JOURNAL)
    print(f"{read_manifest(run).exit_reason} at step {lines[-1]['step'] if lines else 0}")


def has_ended(run: Path) -> bool:
    """Whether a run's manifest names a reason why training ended."""
    if not (run / MANIFEST).exists():
        return False
    try:
        return read_manifest(run).exit_reason is not None
    except InputError:
        return False
