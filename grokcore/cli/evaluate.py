"""`grokcore evaluate`: evaluate finished runs and print the results."""

from __future__ import annotations

import argparse

from grokcore.cli.specs import say
from grokcore.errors import InputError
from grokcore.runs.record import read_head
from grokcore.spec import ExperimentSpec
from grokcore.storage import open_store
from grokcore.terminal.output import print_line
from grokcore.terminal.tables import print_evaluation, print_seeds


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate runs; print one in detail, or runs that differ only in their seed as one table."""
    specs = _specs_of_different(options.runs)
    from grokcore.evaluation import evaluate_model
    from grokcore.runs.groups import group_key, grouped, run_names

    evaluations = {}
    for run in specs:
        evaluations[run] = evaluate_model(run, data=options.data, notify=say)
        if len(specs) > 1:
            say(f"evaluated {run}")
    names = dict(zip(specs, run_names(list(specs.values())), strict=True))
    for group in grouped(list(specs), lambda run: group_key(specs[run])):
        if len(group) > 1:
            print_seeds({names[run]: evaluations[run] for run in group}, specs[group[0]].name)
        else:
            if len(specs) > 1:
                print_line(group[0])
            print_evaluation(evaluations[group[0]].model_dump(mode="json"))


def _specs_of_different(runs: list[str]) -> dict[str, ExperimentSpec]:
    """Specs by run; a run given twice is refused, since it would count as two seeds."""
    specs: dict[str, ExperimentSpec] = {}
    uris: dict[str, str] = {}
    for run in runs:
        record = read_head(open_store(run))
        identity = record.manifest.run_id
        if identity in uris:
            raise InputError(f"{run} and {uris[identity]} are the same run, seed included: give one of them")
        uris[identity], specs[run] = run, record.spec
    return specs
