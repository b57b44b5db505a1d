"""`grokcore generate`: generate a dataset from a task or from a user's own facts."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from grokcore.cli.specs import say, spec_of
from grokcore.errors import InputError
from grokcore.evaluation.remarks import split_remarks
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.terminal.output import print_line

if TYPE_CHECKING:
    from grokcore.data import DatasetInfo

_UNKNOWN_FACTS = "f" * 64
"""Placeholder digest of facts that are not read yet: it makes a task accept fields that the facts decide."""
_COUNTED = ("entities", "attributes", "values", "relations", "out_degree", "facts")
"""Task fields that follow from a user's facts."""


def generate(options: argparse.Namespace) -> None:
    """Generate a dataset and print its splits."""
    from grokcore.data import generate_dataset

    if options.facts is None:
        spec = spec_of(options)
        _show(generate_dataset(spec.task, options.out, format=options.format), options.out, spec)
        return
    from grokcore.data import is_reference, read_facts, task_over
    from grokcore.tasks import FROM_FACTS

    if is_reference(options.facts):
        _generate_from_rows(options)
        return
    spec = _spec_for_facts(options)
    facts = read_facts(options.facts, FROM_FACTS[spec.task.kind][0])
    task = task_over(spec.task, facts)
    say(f"facts: {len(facts)}, entities: {len(facts.subjects)}, {facts.kind}: {len(facts.relations)}")
    _show(generate_dataset(task, options.out, format=options.format, facts=facts), options.out, spec)
    _show_next(options)


def _generate_from_rows(options: argparse.Namespace) -> None:
    """Generate a dataset from the files of the public code of arXiv 2405.15071."""
    from grokcore.data import generate_dataset, read_reference

    for override in options.overrides:
        if override.partition(".")[0].strip() == "task":
            raise InputError(f"the task follows from the files in {options.facts}: leave out --set {override}")
    spec = spec_of(options)
    task, data = read_reference(options.facts)
    info = generate_dataset(task, options.out, format=options.format, data=data)
    _show(info, options.out, spec)
    _show_next(options)


def _show_next(options: argparse.Namespace) -> None:
    if options.format == "grokcore":
        place = shlex.quote(options.out)
        print_line(f"next: grokcore spec {shlex.quote(options.spec)} --data {place} > mine.yaml")
        print_line(f"      grokcore train mine.yaml --data {place} --out RUN_URI")


def _spec_for_facts(options: argparse.Namespace) -> ExperimentSpec:
    """Load the spec with a task over facts that are still to be read."""
    from grokcore.data.facts import kinds_from_facts
    from grokcore.tasks import FROM_FACTS

    for override in options.overrides:
        field = override.partition("=")[0].strip()
        if field in (f"task.{name}" for name in _COUNTED):
            raise InputError(f"{field} follows from the facts of {options.facts}: leave out --set {override}")
    kinds = [override.partition("=")[2].strip() for override in options.overrides if _chooses_kind(override)]
    try:
        spec = load_spec(options.spec, [*options.overrides, f"task.facts={_UNKNOWN_FACTS}"], notify=say)
    except InputError as error:
        if not str(error).startswith("task.facts: there is no such field"):
            raise
        raise InputError(
            f"{kinds[-1] if kinds else options.spec} cannot be made from facts: choose one of "
            f"{kinds_from_facts()} with "
            f"--set task.kind=..."
        ) from None
    assert spec.task.kind in FROM_FACTS  # noqa: S101 - the kinds with a field for facts are those
    return spec


def _chooses_kind(override: str) -> bool:
    return override.partition("=")[0].strip() == "task.kind"


def _show(info: DatasetInfo, out: str, spec: ExperimentSpec) -> None:
    print_line(f"dataset {info.id} at {out}: {info.vocabulary_size} tokens")
    width = max(len(name) for name in info.splits)
    for name, split in info.splits.items():
        chance = "" if split.chance is None else f"  chance {split.chance:.3f}"
        print_line(
            f"  {name:<{width}}  {split.role:<10}  {split.rows:>12,} rows  {split.probes:>6,} probes{chance}"
            f"  majority baseline {split.majority_baseline:.3f}"
        )
    for remark in split_remarks(spec.evaluation, info.splits):
        say(remark)
