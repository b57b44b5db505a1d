"""`grokcore accelerators`: print the methods that make grokking come sooner, and what they cost in an experiment."""

from __future__ import annotations

import argparse
import json
import textwrap

from grokcore.acceleration.catalog import METHODS, Method
from grokcore.errors import InputError
from grokcore.spec import load_spec
from grokcore.storage import temporary_directory
from grokcore.terminal.output import print_line, print_text

_HEADER = ("method", "name", "switched on by", "state of a weight", "not with", "source")


def accelerators(options: argparse.Namespace) -> None:
    """Print a table of methods, then formula, published gain, cost, controls and known trouble of each."""
    flops = {} if options.spec is None else flops_percent(options.spec)
    if options.json:
        entries = [{**method.to_json(), "flops_percent": flops.get(method.name)} for method in METHODS]
        print_text(json.dumps(entries, indent=2))
        return
    charged = [] if options.spec is None else ["FLOPs"]
    rows = [(*_HEADER, *charged), *((*_cells(method), *_charge(flops, method, charged)) for method in METHODS)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for method in METHODS:
        print_text(f"\n{method.name}")
        for label, text in method.facts():
            print_text(textwrap.fill(f"  {label:<11}{text}", 100, subsequent_indent=" " * 13, break_on_hyphens=False))


def _cells(method: Method) -> tuple[str, ...]:
    return method.name, method.title, " ".join(method.fields), method.state, method.refused_with, method.source


def _charge(flops: dict[str, float], method: Method, charged: list[str]) -> list[str]:
    return [f"+{flops[method.name]:.1f} %" if method.name in flops else "-" for _ in charged]


def flops_percent(source: str) -> dict[str, float]:
    """Return the FLOPs that each method adds to a step of an experiment, in percent of the plain model's.

    A method that does not go with the experiment, or starts from a run of its own, is left out.
    """
    from grokcore.data import generate_dataset
    from grokcore.data.supervision import longest_row
    from grokcore.models import build_model
    from grokcore.training.costs import step_flops_of

    plain = load_spec(source)
    with temporary_directory() as folder:
        info = generate_dataset(plain.task, folder / "data")
    sizes = {"vocabulary_size": info.vocabulary_size, "sequence_length": longest_row(info.sequence_length)}
    model = build_model(plain.model, **sizes, seed=0, eos=info.eos)
    found = {}
    for method in METHODS:
        try:
            spec = load_spec(source, method.fields)
        except InputError:
            continue
        if spec.model.start_from is None:
            flops = step_flops_of(spec, info, model)
            found[method.name] = 100 * flops.of_method / flops.of_model
    return found
