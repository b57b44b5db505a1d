"""Headlines of analyzed runs, kept as CSV: a row for each run, step and split."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from grokcore.runs.analysis import AnalysisDocument, Headline
from grokcore.runs.record import RunRecord, read_run, runs_at

FOLDER = Path(__file__).parents[1] / "benchmarks/results"
FEW = 10
"""Traced questions of a run below which its flip is left out."""

Row = dict[str, str]
Numbers = dict[tuple[int, str, str, str], Headline]
"""By step, split, metric and case."""


def rows(name: str) -> list[Row]:
    """Return the headlines that are kept under a name."""
    with (FOLDER / name / "headlines.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(name: str, columns: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Keep headlines in the place of those kept before."""
    (FOLDER / name).mkdir(exist_ok=True)
    with (FOLDER / name / "headlines.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *lines])


def last_rows(found: Iterable[Row], **wanted: str) -> list[Row]:
    """Return the row of the last step of every seed, of those that have the wanted values."""
    last: dict[str, Row] = {}
    for row in found:
        if wanted.items() <= row.items():
            last[row["seed"]] = max(last.get(row["seed"], row), row, key=lambda one: int(one["step"]))
    return list(last.values())


def analyzed(store: str) -> list[tuple[RunRecord, AnalysisDocument]]:
    """Return the runs at a place and their analyses, by seed.

    Raises:
        LookupError: a run was not analyzed.
    """
    found = []
    for record in sorted((read_run(uri) for uri in runs_at(store)), key=lambda one: one.spec.seed):
        if record.analysis is None:
            raise LookupError(f"{record.uri} was not analyzed: grokcore analyze {record.uri}")
        found.append((record, record.analysis))
    return found


def numbers(document: AnalysisDocument, analyses: Iterable[str]) -> Numbers:
    """Return the headlines of some analyses, which share no metric."""
    return {
        (one.step, one.split, one.metric, one.case): one for one in document.headlines if one.analysis in {*analyses}
    }


def text(number: Headline | None) -> str:
    """Return the value with four digits; empty where there is none."""
    return "" if number is None or number.value is None else f"{number.value:.4g}"


def cell(values: Iterable[str], seeds: int) -> str:
    """Write median and range, and of how many seeds if not of all."""
    known = [float(value) for value in values if value]
    if not known:
        return "too few questions"
    some = f", {len(known)} of {seeds} seeds" if len(known) != seeds else ""
    return f"{median(known):.2f} ({min(known):.2f} to {max(known):.2f}{some})"
