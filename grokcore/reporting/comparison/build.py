"""From runs to their comparison: a page, and tables for an analysis of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grokcore.claims import ClaimResult, document
from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.reporting.comparison.exports import csv_bytes, curves_table, parquet_bytes, runs_table
from grokcore.reporting.comparison.page import render_comparison
from grokcore.reporting.comparison.sweep_facts import in_order_of, read_sweep_facts
from grokcore.runs.groups import Group, groups_of
from grokcore.runs.seal import not_verified
from grokcore.storage import open_store

PAGE, RUNS_CSV, RUNS, CURVES, CLAIMS = "report.html", "runs.csv", "runs.parquet", "curves.parquet", "claims.json"


@dataclass(frozen=True)
class Comparison:
    """What was written, and what it is about.

    Attributes:
        directory: URI of the place that everything lies in.
        page: URI of the HTML page.
        groups: runs that differ in their seeds alone, in the order of the page; the first is the reference.
        claims: the ledger of claims held against the runs.
        left_out: a line for each run that was found and is not compared.
    """

    directory: str
    page: str
    groups: tuple[Group, ...]
    claims: tuple[ClaimResult, ...]
    left_out: tuple[str, ...]

    @property
    def runs(self) -> int:
        return sum(len(group.runs) for group in self.groups)


def build_comparison(
    places: Sequence[str | Path],
    out: str | Path,
    *,
    unfinished: Literal["refuse", "skip"] = "refuse",
    sweep: str | Path | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Compare runs group by group, as a page and as tables.

    Writes report.html, runs.csv, runs.parquet, curves.parquet and claims.json to `out`, each whole or not at all, the
    page last.

    Args:
        places: run directories, or places below which runs lie: paths, `file://` or `s3://` URIs.
        out: directory or prefix; what a comparison has written there before is replaced.
        unfinished: what becomes of runs that are not evaluated up to their end.
        sweep: the directory of the sweep that the runs belong to, where its index.json tells what was tuned; `out` by
            default.
        notify: called with a line for each run that is left out.

    Raises:
        InputError: there is no run, one is damaged or waits for its evaluation, or `out` cannot be written.
        TransientError: a store could not be reached.
    """
    store = open_store(out)
    if store.find("manifest.json") is not None:
        raise InputError(f"{out} is a run: its report.html would be replaced; choose another place for the comparison")
    left_out: list[str] = []

    def leave_out(line: str) -> None:
        left_out.append(line)
        notify(line)

    records = read_records(places, unfinished=unfinished, notify=leave_out)
    if remark := not_verified(records):
        notify(remark)
    facts = read_sweep_facts(open_store(out if sweep is None else sweep))
    groups = in_order_of(facts, groups_of(records))
    runs = runs_table(groups)
    store.write(RUNS_CSV, csv_bytes(runs))
    store.write(RUNS, parquet_bytes(runs))
    store.write(CURVES, parquet_bytes(curves_table(groups)))
    claims = document(records)
    store.write_json(CLAIMS, claims.model_dump(mode="json"))
    page = render_comparison(groups, claims.claims, store.uri, facts=facts, left_out=left_out)
    store.write(PAGE, page.encode("utf-8", "replace"))
    return Comparison(store.uri, store.uri_of(PAGE), tuple(groups), tuple(claims.claims), tuple(left_out))
