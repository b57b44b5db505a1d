"""The table of what stands inside plain and shared models of two hops, in docs/interpretation.md."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from ci.markdown import table

HEADLINES = Path(__file__).parent / "benchmarks/results/composition-inside/headlines.csv"
SPLITS = {
    "test_inferred_iid": "in domain",
    "test_inferred_hop_1_ood": "first hop out of domain",
    "test_inferred_hop_2_ood": "second hop out of domain",
    "test_inferred_ood": "both",
}
FEW = 10
"""Traced questions of a run below which its flip is left out."""

Row = dict[str, str]


def rows() -> list[Row]:
    """Return the headlines: a row for each blocks, seed, step and split."""
    with HEADLINES.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def last_rows(found: Iterable[Row], blocks: str, split: str) -> list[Row]:
    """Return the last step of every seed."""
    last: dict[str, Row] = {}
    for row in found:
        if (row["blocks"], row["split"]) == (blocks, split):
            last[row["seed"]] = max(last.get(row["seed"], row), row, key=lambda one: int(one["step"]))
    return list(last.values())


def composition() -> str:
    """Return the table.

    Raises:
        LookupError: no headlines are kept.
    """
    found = rows()
    lines = [
        (
            blocks,
            title,
            _cell(one["accuracy"] for one in last),
            _cell(_traced(last, "semantic_flip")),
            _cell(_traced(last, "specificity")),
            _cell(one["path_similarity"] for one in last if one["path_similarity"]),
        )
        for blocks in ("plain", "shared")
        for split, title in SPLITS.items()
        if (last := last_rows(found, blocks, split))
    ]
    head = ("blocks", "questions", "accuracy", "flip", "specificity", "path like the memorized one's")
    return table(head, lines)


def _traced(found: Iterable[Row], metric: str) -> list[str]:
    return [row[metric] for row in found if row[metric] and int(row["semantic_n"]) >= FEW]


def _cell(values: Iterable[str]) -> str:
    """Write median and range, and the number of seeds if not all 8 tell."""
    known = [float(value) for value in values]
    if not known:
        return "too few questions"
    seeds = f", {len(known)} of 8 seeds" if len(known) != 8 else ""
    return f"{median(known):.2f} ({min(known):.2f} to {max(known):.2f}{seeds})"
