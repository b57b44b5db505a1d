"""What docs/interpretation.md says of two hops follows from the numbers in the tree."""

from __future__ import annotations

import pytest

from ci.inside import FEW, last_rows, rows
from grokcore.claims import LEDGER
from grokcore.claims.predicates import Shows

ROWS = rows()


def similarities(blocks: str) -> list[float]:
    return [float(row["path_similarity"]) for row in last_rows(ROWS, blocks, "test_inferred_iid")]


@pytest.mark.parametrize(("blocks", "alike"), [("plain", 8), ("shared", 0)])
def test_as_many_seeds_keep_their_path_as_the_page_says(blocks: str, alike: int) -> None:
    (claim,) = (claim for claim in LEDGER if claim.id == "same-path-before-and-after")
    assert isinstance(claim.predicate, Shows)
    found = similarities(blocks)
    assert len(found) == 8
    assert sum(value >= claim.predicate.at_least for value in found) == alike


@pytest.mark.parametrize(("blocks", "site"), [("plain", "layer 1, r1"), ("shared", "layer 2, r1")])
def test_the_bridge_stands_where_the_page_says(blocks: str, site: str) -> None:
    assert {row["semantic_site"] for row in last_rows(ROWS, blocks, "test_inferred_iid")} == {site}


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
