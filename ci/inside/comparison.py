"""Comparison: where each architecture has the value of the first entity, and what it mixes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mode

from ci.inside.headlines import Row, analyzed, cell, last_rows, numbers, rows, text, write
from ci.markdown import table
from grokcore.models.registry import catalog
from grokcore.runs.analysis import AnalysisDocument

NAME = "demo-inside"
SEEDS = 5
SPLITS = {"test_inferred_iid": "in domain", "test_inferred_ood": "out of domain"}
METRICS = {
    "accuracy": ("accuracy", ""),
    "e1_flip": ("flip", "e1"),
    "specificity_e1": ("specificity", "same value e1"),
    "path_similarity": ("path_similarity", ""),
    "mass_on_relevant": ("mass_on_relevant", ""),
    "mass_on_relevant_uniform": ("mass_on_relevant_uniform", ""),
}
"""Columns: the metric and the case of the headline."""
COLUMNS = ("architecture", "seed", "run_id", "memorized", "step", "split", "e1_site", "e1_n", *METRICS)
ANALYSES = ("tracing", "mixing", "circuit")
HEAD = (
    *("architecture", "questions", "accuracy", "flip of e1", "best site", "same value"),
    *("path like the memorized one's", "rise of mixing on what decides"),
)


def markdown() -> str:
    """Return the table: the last step of every seed."""
    found = rows(NAME)
    lines = []
    known = {row["architecture"] for row in found}
    for one in catalog():
        for split, title in SPLITS.items() if one.architecture in known else ():
            last = last_rows(found, architecture=one.architecture, split=split)
            lines.append(
                (
                    one.title,
                    title,
                    *(cell((row[column] for row in last), SEEDS) for column in ("accuracy", "e1_flip")),
                    _site(last),
                    *(cell((row[column] for row in last), SEEDS) for column in ("specificity_e1", "path_similarity")),
                    cell((_rise(found, row) for row in last), SEEDS),
                )
            )
    head = (
        "architecture",
        "questions",
        "accuracy",
        "flip of e1",
        "best site",
        "same value",
        "path like the memorized one's",
    )
    return table((*head, "rise of mixing on what decides"), lines)


def keep(stores: list[str]) -> None:
    """Keep the headlines of the analyzed runs in stores."""
    write(
        NAME,
        COLUMNS,
        [
            (found.architecture, str(record.spec.seed), found.run_id, *line)
            for store in stores
            for record, found in analyzed(store)
            for line in _lines(found)
        ],
    )


def _site(last: list[Row]) -> str:
    """Return the site that most seeds have, and how many."""
    sites = [row["e1_site"] for row in last if row["e1_site"]]
    return f"{mode(sites)} ({sites.count(mode(sites))} of {len(last)})" if sites else ""


def _rise(found: list[Row], last: Row) -> str:
    """Return by how much the share of mixing rose from memorization to the end; empty if it never memorized."""
    for row in found:
        alike = all(row[column] == last[column] for column in ("architecture", "seed", "split"))
        if alike and row["step"] == last["memorized"]:
            return str(float(last["mass_on_relevant"]) - float(row["mass_on_relevant"]))
    return ""


def _lines(found: AnalysisDocument) -> Iterator[tuple[str, ...]]:
    known = numbers(found, ANALYSES)
    for step in found.steps:
        for split in SPLITS:
            flip = known.get((step, split, "flip", "e1"))
            site = ("", "") if flip is None else (flip.target, str(flip.n))
            values = [text(known.get((step, split, *wanted))) for wanted in METRICS.values()]
            yield (str(found.milestones.get("memorized", "")), str(step), split, *site, *values)
