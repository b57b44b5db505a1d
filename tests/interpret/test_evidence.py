"""What docs/interpretation.md says of two hops and of architectures follows from the numbers in the tree."""

from __future__ import annotations

import pytest

from ci.inside import comparison, composition
from ci.inside.headlines import FEW, Row, last_rows, rows
from grokcore.claims import LEDGER
from grokcore.claims.predicates import Shows

ROWS = rows(composition.NAME)
ARCHITECTURES = rows(comparison.NAME)


def same_path() -> Shows:
    (claim,) = (claim for claim in LEDGER if claim.id == "same-path-before-and-after")
    assert isinstance(claim.predicate, Shows)
    return claim.predicate


def similarities(blocks: str) -> list[float]:
    return [float(row["path_similarity"]) for row in last_rows(ROWS, blocks=blocks, split="test_inferred_iid")]


@pytest.mark.parametrize(("blocks", "alike"), [("plain", 8), ("shared", 0)])
def test_as_many_seeds_keep_their_path_as_the_page_says(blocks: str, alike: int) -> None:
    found = similarities(blocks)
    assert len(found) == 8
    assert sum(value >= same_path().at_least for value in found) == alike


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


def of_architecture(architecture: str, split: str) -> list[Row]:
    last = last_rows(ARCHITECTURES, architecture=architecture, split=split)
    assert len(last) == 5
    assert {row["step"] for row in last} == {"3500"}
    return last


@pytest.mark.parametrize(("architecture", "alike"), [("gpt2", 5), ("llama", 5), ("rwkv", 0), ("mamba", 0)])
def test_as_many_seeds_of_an_architecture_keep_their_path_as_the_page_says(architecture: str, alike: int) -> None:
    found = [float(row["path_similarity"]) for row in of_architecture(architecture, "test_inferred_iid")]
    assert sum(value >= same_path().at_least for value in found) == alike


@pytest.mark.parametrize(("architecture", "rising"), [("gpt2", 0), ("llama", 0), ("rwkv", 0), ("mamba", 5)])
def test_attention_turns_in_as_many_seeds_as_the_page_says(architecture: str, rising: int) -> None:
    found = 0
    for end in of_architecture(architecture, "test_inferred_ood"):
        (memorized,) = (
            row
            for row in ARCHITECTURES
            if row["run_id"] == end["run_id"] and row["split"] == end["split"] and row["step"] == end["memorized"]
        )
        found += float(end["mass_on_relevant"]) - float(memorized["mass_on_relevant"]) >= 0.05
    assert found == rising


def test_a_donor_of_the_same_value_leaves_as_many_answers_alone_as_the_page_says() -> None:
    ends = [row for row in ARCHITECTURES if row["step"] == "3500"]
    assert len(ends) == 40
    assert min(float(row["specificity_e1"]) for row in ends) >= 0.965
