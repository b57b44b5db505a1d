"""Two hops: where plain and shared blocks resolve the bridge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ci.inside.headlines import FEW, Row, analyzed, cell, last_rows, numbers, rows, text, write
from ci.markdown import table
from grokcore.runs.analysis import AnalysisDocument

NAME = "composition-inside"
SEEDS = 8
SPLITS = {
    "test_inferred_iid": "in domain",
    "test_inferred_hop_1_ood": "first hop out of domain",
    "test_inferred_hop_2_ood": "second hop out of domain",
    "test_inferred_ood": "both",
}
PHASES = ("memorized", "test_inferred_iid.sustained", "test_inferred_ood.sustained")
COLUMNS = (
    *("blocks", "seed", "run_id", "memorized", "iid_sustained", "ood_sustained", "step", "split", "accuracy"),
    *("semantic_flip", "semantic_n", "semantic_site", "specificity", "path_similarity"),
)
ANALYSES = ("tracing", "circuit")


def markdown() -> str:
    """Return the table: the last step of every seed."""
    found = rows(NAME)
    lines = [
        (
            blocks,
            title,
            cell((one["accuracy"] for one in last), SEEDS),
            cell(_traced(last, "semantic_flip"), SEEDS),
            cell(_traced(last, "specificity"), SEEDS),
            cell((one["path_similarity"] for one in last), SEEDS),
        )
        for blocks in ("plain", "shared")
        for split, title in SPLITS.items()
        if (last := last_rows(found, blocks=blocks, split=split))
    ]
    head = ("blocks", "questions", "accuracy", "flip", "specificity", "path like the memorized one's")
    return table(head, lines)


def keep(stores: dict[str, str]) -> None:
    """Keep the headlines of the analyzed runs in stores, by the kind of their blocks."""
    write(
        NAME,
        COLUMNS,
        [
            (blocks, str(record.spec.seed), found.run_id, *line)
            for blocks, store in stores.items()
            for record, found in analyzed(store)
            for line in _lines(found)
        ],
    )


def _traced(found: Iterable[Row], metric: str) -> list[str]:
    return [row[metric] for row in found if row[metric] and int(row["semantic_n"]) >= FEW]


def _lines(found: AnalysisDocument) -> Iterator[tuple[str, ...]]:
    known, phases = numbers(found, ANALYSES), [str(found.milestones.get(phase, "")) for phase in PHASES]
    for step in found.steps:
        for split in ("train_inferred", "test_inferred_iid", "test_inferred_ood", *list(SPLITS)[1:3]):
            flip = known.get((step, split, "flip", "semantic"))
            named = [("accuracy", ""), ("flip", "semantic"), ("specificity", "same bridge"), ("path_similarity", "")]
            values = [text(known.get((step, split, metric, case))) for metric, case in named]
            site = ("", "") if flip is None else (str(flip.n), flip.target)
            yield (*phases, str(step), split, *values[:2], *site, *values[2:])
