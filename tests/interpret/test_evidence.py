"""What docs/interpretation.md says of two hops and of demo follows from the numbers in the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.inside import comparison, composition
from ci.inside.headlines import FEW, last_rows, rows
from grokcore.claims import LEDGER
from grokcore.claims.predicates import Shows

ROWS = rows(composition.NAME)
PAGE = Path(__file__).parents[2] / "docs/interpretation.md"


def similarities(blocks: str) -> list[float]:
    return [float(row["path_similarity"]) for row in last_rows(ROWS, blocks=blocks, split="test_inferred_iid")]


@pytest.mark.parametrize(("blocks", "alike"), [("plain", 8), ("shared", 0)])
def test_as_many_seeds_keep_their_path_as_the_page_says(blocks: str, alike: int) -> None:
    (claim,) = (claim for claim in LEDGER if claim.id == "same-path-before-and-after")
    assert isinstance(claim.predicate, Shows)
    found = similarities(blocks)
    assert len(found) == 8
    assert sum(value >= claim.predicate.at_least for value in found) == alike


@pytest.mark.parametrize(("blocks", "site"), [("plain", "layer 1, r1"), ("shared", "layer 2, r1")])
def test_the_bridge_stands_where_the_page_says(blocks: str, site: str) -> None:
    assert {row["semantic_site"] for row in last_rows(ROWS, blocks=blocks, split="test_inferred_iid")} == {site}


def test_no_shared_model_answers_out_of_domain_without_the_path() -> None:
    told = [
        row
        for row in ROWS
        if row["blocks"] == "shared" and row["split"] == "test_inferred_ood" and int(row["semantic_n"] or 0) >= FEW
    ]
    assert {row["seed"] for row in told} == {str(seed) for seed in range(8)}
    assert all(float(row["semantic_flip"]) > float(row["accuracy"]) / 2 for row in told)
    plain = [row for row in ROWS if row["blocks"] == "plain" and row["split"] == "test_inferred_ood"]
    assert all(int(row["semantic_n"] or 0) < FEW for row in plain)


@pytest.mark.parametrize("seed", range(5))
def test_the_table_of_demo_has_the_flips_of_each_seed(seed: int) -> None:
    own = [row for row in rows(comparison.NAME) if (row["architecture"], row["seed"]) == ("gpt2", str(seed))]
    iid, ood = (row for row in own if row["step"] == "3500")
    text = [f"{float(row[name]):.2f}".removeprefix("0") for name in ("e1_flip", "specificity_e1") for row in (iid, ood)]
    assert f"| {seed} | {text[0]} | {text[1]} | {ood['e1_site']} | {text[2]}, {text[3]} |" in PAGE.read_text()
    assert float(iid["path_similarity"]) >= 0.99
    for split, end in (("test_inferred_iid", iid), ("test_inferred_ood", ood)):
        (memorized,) = (row for row in own if row["split"] == split and row["step"] == row["memorized"])
        assert float(end["mass_on_relevant"]) - float(memorized["mass_on_relevant"]) < 0.05
        assert 0.785 <= float(end["mass_on_relevant"]) <= 0.895
