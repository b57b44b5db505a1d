"""From runs to the page that shows them, one run or many, and to the tables that `compare` writes beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grokcore.claims import ClaimResult, document
from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.evaluation.speedups import SPEEDUPS, SpeedupReport
from grokcore.markup import table_html
from grokcore.reporting.exports import csv_bytes, curves_table, parquet_bytes, runs_table
from grokcore.reporting.fairness import in_order_of, named_after_points, read_sweep_facts
from grokcore.reporting.interpret.reading import analyses_of
from grokcore.reporting.page import render
from grokcore.reporting.shown import outcome_of_group
from grokcore.reporting.speedups import report_of
from grokcore.runs.groups import Group, groups_of, seed_text
from grokcore.runs.manifest import MANIFEST
from grokcore.runs.seal import not_verified
from grokcore.storage import open_parent, open_store
from grokcore.telemetry.trackers.export import attach_report
from grokcore.telemetry.trackers.settings import trackers_of

PAGE, RUNS_CSV, RUNS, CURVES, CLAIMS = "report.html", "runs.csv", "runs.parquet", "curves.parquet", "claims.json"


@dataclass(frozen=True, repr=False)
class Comparison:
    """The files and groups of a comparison.

    Attributes:
        directory: URI of the place that everything lies in.
        page: URI of the HTML page.
        groups: runs that differ in their seeds alone, in the order of the page; the first is the reference.
        claims: the ledger of claims held against the runs.
        left_out: a line for each run that was found and is not compared.
        speedups: points of the sweep against its baseline; None without one.
    """

    directory: str
    page: str
    groups: tuple[Group, ...]
    claims: tuple[ClaimResult, ...]
    left_out: tuple[str, ...]
    speedups: SpeedupReport | None = None

    @property
    def runs(self) -> int:
        return sum(len(group.runs) for group in self.groups)

    def __repr__(self) -> str:
        lines = [f"  {label}: {seeds}; {told}" for label, seeds, told in self._rows()]
        return "\n".join([self._title, *lines, self.page])

    def _repr_html_(self) -> str:
        return table_html(self._title, ("group", "seeds", "found"), self._rows(), notes=[self.page, *self.left_out])

    @property
    def _title(self) -> str:
        return f"comparison of {self.runs} runs in {len(self.groups)} groups"

    def _rows(self) -> list[tuple[str, str, str]]:
        return [
            (
                group.label,
                ", ".join(seed_text(run.spec, len(group.draws)) for run in group.runs),
                "; ".join(f"{split}: {outcome_of_group(group, split)}" for split in group.runs[0].evaluation.held_out),
            )
            for group in self.groups
        ]


def build_report(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    evaluations: Sequence[str | Path] | None = None,
    track: Sequence[str] | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> str:
    """Write the page of one or more runs to the file `out`, and return where it lies.

    A run that has gone on since its evaluation is shown by its journal, with a remark that says so.

    Args:
        runs: run directories, or places below which runs lie: paths, `file://` or `s3://` URIs.
        out: the HTML file, by path or URI; it is written whole or not at all.
        evaluations: the runs' evaluations in the same order, where they do not lie in the run directories.
        track: trackers that keep the page beside its runs, as `mlflow` does; None takes `GROKCORE_TRACK`.
        notify: called with a line where files cannot be verified, since an older version wrote them, where a run is
            there twice, and where a tracker does not take the page.

    Raises:
        InputError: a run has no evaluation yet, a file is damaged, `out` cannot be written, or a tracker not be used.
        TransientError: a store could not be reached.
    """
    store, name = open_parent(out)
    trackers = trackers_of(track)
    left_out: list[str] = []
    records = read_records(runs, evaluations=evaluations, unfinished="show", notify=left_out.append)
    for line in left_out:
        notify(line)
    analyses = analyses_of(records)
    page = render(groups_of(records), document(records).claims, store.uri, left_out=left_out, analyses=analyses)
    content = page.encode("utf-8", "replace")
    store.write(name, content)
    if remark := not_verified(records):
        notify(remark)
    for line in attach_report([record.uri for record in records], content, trackers):
        notify(line)
    return str(out)


def build_comparison(
    places: Sequence[str | Path],
    out: str | Path,
    *,
    unfinished: Literal["refuse", "skip"] = "refuse",
    sweep: str | Path | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Compare runs group by group, as a page and as tables.

    Writes report.html, runs.csv, runs.parquet, curves.parquet and claims.json to `out`, and speedups.json of a sweep
    with a baseline, each whole or not at all, the page last.

    Args:
        places: run directories, or places below which runs lie: paths, `file://` or `s3://` URIs.
        out: directory or prefix; what a comparison has written there before is replaced.
        unfinished: how to treat runs that are not evaluated up to their end.
        sweep: the directory of the sweep that the runs belong to, where its index.json tells what was tuned; `out` by
            default.
        notify: called with a line for each run that is left out.

    Raises:
        InputError: there is no run, one is damaged or waits for its evaluation, or `out` cannot be written.
        TransientError: a store could not be reached.
    """
    store = open_store(out)
    if store.find(MANIFEST) is not None:
        raise InputError(f"{out} is a run: its report.html would be replaced; choose another place for the comparison")
    left_out: list[str] = []

    def leave_out(line: str) -> None:
        left_out.append(line)
        notify(line)

    records = read_records(places, unfinished=unfinished, notify=leave_out)
    if remark := not_verified(records):
        notify(remark)
    facts = read_sweep_facts(open_store(out if sweep is None else sweep))
    groups = named_after_points(facts, in_order_of(facts, groups_of(records)))
    runs = runs_table(groups)
    store.write(RUNS_CSV, csv_bytes(runs))
    store.write(RUNS, parquet_bytes(runs))
    store.write(CURVES, parquet_bytes(curves_table(groups)))
    claims = document(records)
    store.write_json(CLAIMS, claims.model_dump(mode="json"))
    speedups = report_of(facts, groups)
    if speedups is None:
        store.delete(SPEEDUPS)
    else:
        store.write_json(SPEEDUPS, speedups.model_dump(mode="json"))
    page = render(
        *(groups, claims.claims, store.uri),
        facts=facts,
        speedups=speedups,
        left_out=left_out,
        has_tables=True,
        analyses=analyses_of(records),
    )
    store.write(PAGE, page.encode("utf-8", "replace"))
    return Comparison(store.uri, store.uri_of(PAGE), tuple(groups), tuple(claims.claims), tuple(left_out), speedups)
