"""`grokcore claims`: print the ledger of claims, and test it on evaluated runs."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from grokcore.cli.specs import say
from grokcore.errors import InputError
from grokcore.storage import open_parent
from grokcore.terminal.output import print_line, print_text

if TYPE_CHECKING:
    from grokcore.claims import Claim, ClaimResult
    from grokcore.claims.base import Verdict


def claims(options: argparse.Namespace) -> None:
    """Test the claims on runs, or list the claims."""
    if options.list:
        if options.runs:
            raise InputError("--list reads no runs: leave out either")
        _print_ledger(options)
        return
    if not options.runs:
        raise InputError("name runs or directories that contain runs; --list prints the claims")
    from grokcore.claims import document
    from grokcore.evaluation.records import read_records
    from grokcore.runs.seal import not_verified

    records = read_records(options.runs, unfinished="skip" if options.skip_unfinished else "refuse", notify=say)
    if remark := not_verified(records):
        say(remark)
    result = document(records)
    if options.out is not None:
        store, name = open_parent(options.out)
        store.write_json(name, result.model_dump(mode="json"))
    if options.json:
        print_text(json.dumps(result.model_dump(mode="json"), indent=2))
        return
    for line in _table(result.claims, _columns()):
        print_line(line)
    counts = Counter(claim.verdict for claim in result.claims)
    read = "1 run" if result.runs == 1 else f"{result.runs} runs"
    found = [f"{counts[verdict]} {verdict}" for verdict in _MARKS if counts[verdict]]
    text = f"{read}: " + ", ".join([*found, f"{counts['not tested']} not tested"])
    print_text("\n".join(textwrap.wrap(text, _columns())))
    if options.out is not None:
        print_line(f"all evidence: {options.out}")


_MARKS: dict[Verdict, str] = {
    "reproduced": "+",
    "refuted": "x",
    "holds here": "+",
    "does not hold here": "x",
    "underpowered": "?",
}
"""Signs of the verdicts on tested claims."""
_MOST_UNMET = 4
"""Unmet published conditions that are printed one by one; claims.json has all of them."""


def _table(results: list[ClaimResult], columns: int) -> Iterator[str]:
    """Lines of a paragraph per tested claim and scope; other claims by their numbers."""
    for result in results:
        if result.verdict == "not tested":
            continue
        yield f"{_MARKS[result.verdict]} {result.number:>2}  {result.verdict}  {result.id}"
        yield f"      {result.hash}"
        yield from _wrapped(result.statement, columns)
        yield from _wrapped(result.sentence, columns)
        if result.scope is not None and result.scope.unmet:
            unmet = result.scope.unmet
            more = f"; and {len(unmet) - _MOST_UNMET} more" if len(unmet) > _MOST_UNMET else ""
            text = f"not the published conditions: {'; '.join(unmet[:_MOST_UNMET])}{more}"
            yield from _wrapped(text, columns)
        if result.p_holm is not None and result.p is not None and result.p <= result.alpha < result.p_holm:
            text = (
                f"At {result.alpha:g} for this claim alone; Holm's p over all that were tested is {result.p_holm:.2g}."
            )
            yield from _wrapped(text, columns)
        for confound in result.confounds:
            if len(confound.parts) > 1:
                parts = "; ".join(f"{part.value}: {part.verdict} ({part.runs} runs)" for part in confound.parts)
                yield from _wrapped(f"{confound.field}: {parts}", columns)
        if result.needs:
            yield from _wrapped(f"needs {'; '.join(result.needs)}", columns)
        yield ""
    silent = [str(result.number) for result in results if result.verdict == "not tested"]
    if silent:
        text = (
            f"not tested, for lack of runs to compare: claims {', '.join(silent)}; grokcore claims --list prints them"
        )
        yield from textwrap.wrap(text, columns)


def _print_ledger(options: argparse.Namespace) -> None:
    from grokcore.claims import LEDGER

    if options.json:
        print_text(json.dumps([{**claim.model_dump(mode="json"), "hash": claim.hash} for claim in LEDGER], indent=2))
        return
    for claim in LEDGER:
        for line in _entry(claim, _columns()):
            print_line(line)


def _entry(claim: Claim, columns: int) -> Iterator[str]:
    yield f"{claim.number:>2}  {claim.id}  {claim.hash}"
    yield from _wrapped(claim.statement, columns, indent=4)
    yield from _wrapped(f"Source: {claim.source}", columns, indent=4)
    yield from _wrapped(f"Published conditions: {claim.published.describe()}", columns, indent=4)
    if claim.note:
        yield from _wrapped(claim.note, columns, indent=4)


def _wrapped(text: str, columns: int, indent: int = 6) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(text, columns, initial_indent=margin, subsequent_indent=margin)


def _columns() -> int:
    return max(40, shutil.get_terminal_size((120, 24)).columns)
