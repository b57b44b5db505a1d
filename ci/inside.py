"""The table of what stands inside plain and shared models of two hops, in docs/interpretation.md.

    python -m ci.inside PLAIN SHARED

keeps the headlines of two stores of analyzed runs, of either kind of blocks, in the place of those kept before.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from ci.markdown import table
from grokcore.runs.record import RunRecord, read_run, runs_at

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


COLUMNS = (
    *("blocks", "seed", "run_id", "memorized", "iid_sustained", "ood_sustained", "step", "split", "accuracy"),
    *("semantic_flip", "semantic_n", "semantic_site", "specificity", "path_similarity"),
)
PHASES = ("memorized", "test_inferred_iid.sustained", "test_inferred_ood.sustained")


def keep(stores: dict[str, str]) -> None:
    """Write the headlines of the analyzed runs in stores, by the kind of their blocks."""
    lines: list[tuple[str, ...]] = []
    for blocks, store in stores.items():
        records = sorted((read_run(uri) for uri in runs_at(store)), key=lambda record: record.spec.seed)
        lines += [line for record in records for line in _lines(blocks, record)]
    with HEADLINES.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])


def _lines(blocks: str, record: RunRecord) -> Iterable[tuple[str, ...]]:
    found = record.analysis
    if found is None:
        raise LookupError(f"{record.uri} was not analyzed: grokcore analyze {record.uri} --steps all")
    run = (blocks, str(record.spec.seed), found.run_id, *(str(found.milestones.get(phase, "")) for phase in PHASES))
    numbers = {(one.step, one.split, one.metric, one.case): one for one in found.headlines if one.analysis != "lens"}
    for step in found.steps:
        for split in ("train_inferred", "test_inferred_iid", "test_inferred_ood", *list(SPLITS)[1:3]):
            flip = numbers.get((step, split, "flip", "semantic"))
            named = [("accuracy", ""), ("flip", "semantic"), ("specificity", "same bridge"), ("path_similarity", "")]
            values = [numbers.get((step, split, metric, case)) for metric, case in named]
            text = ["" if one is None or one.value is None else f"{one.value:.4g}" for one in values]
            site = ("", "") if flip is None else (str(flip.n), flip.target)
            yield (*run, str(step), split, *text[:2], *site, *text[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plain", help="place of the runs of plain blocks")
    parser.add_argument("shared", help="place of the runs of shared blocks")
    arguments = parser.parse_args()
    keep({"plain": arguments.plain, "shared": arguments.shared})


if __name__ == "__main__":
    main()
