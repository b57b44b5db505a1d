"""`grokcore models`: the architectures there are."""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap

from grokcore.cli.output import print_line, print_text
from grokcore.errors import InputError
from grokcore.models.registry import Entry, catalogue
from grokcore.spec import load_spec

_HEADER = ("model.architecture", "name", "token mixer", "parameters/block", "state/block", "paper", "files load into")


def models(options: argparse.Namespace) -> None:
    """A table of the registry, in the sizes of a spec, or in those that architectures have by default."""
    fields = {} if options.spec is None else load_spec(options.spec).model.model_dump(mode="json")
    fields = {name: fields[name] for name in ("width", "heads", "layers", "mlp_width") if name in fields}
    try:
        entries = list(catalogue(fields))
    except ValueError as error:
        raise InputError(f"{options.spec} does not fit every architecture: {_first_reason(error)}") from None
    if options.json:
        print_text(json.dumps([dataclasses.asdict(entry) for entry in entries], indent=2))
        return
    rows = [_HEADER, *(_cells(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print_text("\ndeviations from papers and their authors' code")
    for entry in entries:
        for number, deviation in enumerate(entry.deviations):
            label = "" if number else entry.architecture
            print_text(
                textwrap.fill(f"{label:<18}{deviation}", 100, subsequent_indent=" " * 18, break_on_hyphens=False)
            )


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.architecture,
        entry.title,
        entry.token_mixer,
        f"{entry.parameters_per_block:,}",
        f"{entry.state:,}{' a token' if entry.state_per_token else ''}",
        entry.source,
        entry.transformers_class or "grokcore alone",
    )


def _first_reason(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    return str(errors()[0]["msg"]) if errors else str(error)
