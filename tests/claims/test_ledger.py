"""Every claim comes to the verdict that made-up runs were made for, and its definition cannot change unseen."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from grokcore.claims import LEDGER, Claim, judge
from grokcore.claims.claim import SHARED_VERSION
from grokcore.claims.predicates import KINDS
from grokcore.claims.strata import arms_of
from grokcore.runs.groups import groups_of
from tests.claims.truths import GPT2, LLAMA, TRUTHS, Runs, group

ROOT = Path(__file__).parents[2]
CODE = Path(__file__).with_name("code.json")
"""Of each part of the code that judges: its version, and the hash of its source at that version."""

SHARED = ("base", "conditions", "strata", "units", "scope", "combining", "judging")

BY_ID = {claim.id: claim for claim in LEDGER}


def test_the_ledger_has_its_claims_and_room_for_more() -> None:
    assert [claim.number for claim in LEDGER] == [*range(1, 33)]
    assert BY_ID.keys() == TRUTHS.keys()
    assert len({claim.hash for claim in LEDGER}) == len(LEDGER) == len(BY_ID)


@pytest.mark.parametrize("verdict", ["holds here", "does not hold here", "underpowered"])
@pytest.mark.parametrize("claim", LEDGER, ids=lambda claim: claim.id)
def test_the_truth_is_found(claim: Claim, verdict: str) -> None:
    (result,) = judge(getattr(TRUTHS[claim.id], verdict.replace(" ", "_"))(), [claim])
    assert result.verdict == verdict, result.sentence
    assert result.sentence.endswith(".")
    assert bool(result.needs) is (verdict == "underpowered")
    if verdict != "underpowered":
        assert result.runs >= 5
        assert all(evidence.groups for evidence in result.strata)


@cache
def other_runs(claim: str) -> Runs:
    return TRUTHS[claim].holds_here()


@cache
def modular_runs() -> Runs:
    return group(base="modular", at=600)


@pytest.mark.parametrize("claim", LEDGER, ids=lambda claim: claim.id)
def test_a_claim_that_no_run_touches_is_not_tested_and_says_what_is_needed(claim: Claim) -> None:
    inside = claim.predicate.kind in ("shows", "transfers_little")
    elsewhere = "composition-groks-id-only" if claim.number != 20 else "gpt2-groks"
    (result,) = judge(modular_runs() if inside else other_runs(elsewhere), [claim])
    assert (result.verdict, result.runs, result.strata, result.p) == ("not tested", 0, [], None)
    assert result.scope is None
    assert result.needs


def test_claims_of_the_summary_cite_it_and_those_of_the_thesis_the_thesis() -> None:
    summary = {claim.number for claim in LEDGER if "Key Findings" in claim.source}
    assert summary == {11, 12, *range(13, 20), 25, *range(26, 33)}
    assert {claim.number for claim in LEDGER if "Kanaka" in claim.source} == {*range(1, 13), 25}


def test_dropout_is_one_treatment_in_claims_about_it() -> None:
    """GPT-2 drops out at three places, LLaMA at one."""
    for claim in LEDGER:
        if "model.dropout" in claim.factor.fields:
            assert len(arms_of(claim, groups_of([*group(GPT2, at=100), *group(LLAMA, at=100)]))) == 1
            assert "embeddings, attention and residual branches" in claim.statement


@pytest.mark.parametrize("claim", LEDGER, ids=lambda claim: claim.id)
def test_a_claim_says_where_it_comes_from_and_what_could_explain_it_otherwise(claim: Claim) -> None:
    assert claim.statement.endswith(".")
    assert claim.source
    assert claim.confounds
    assert len({(confound.field, confound.by) for confound in claim.confounds}) == len(claim.confounds)


def test_a_changed_definition_has_another_hash() -> None:
    claim = LEDGER[0]
    assert claim.model_copy(update={"alpha": 0.01}).hash != claim.hash
    assert claim.model_copy(update={"statement": "Otherwise."}).hash != claim.hash
    more = claim.predicate.model_copy(update={"patience": 51.0})
    assert claim.model_copy(update={"predicate": more}).hash != claim.hash
    for elsewhere in ({"threshold": 0.98}, {"budget": 34.0}, {"conditions": claim.published.conditions[1:]}):
        published = claim.published.model_copy(update=elsewhere)
        assert claim.model_copy(update={"published": published}).hash != claim.hash


def test_a_raised_version_of_the_code_changes_the_hashes_that_rest_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {claim.id: claim.hash for claim in LEDGER}
    monkeypatch.setattr("grokcore.claims.predicates.changes_time.ChangesTime.VERSION", 99)
    changed = {claim.id for claim in LEDGER if claim.hash != before[claim.id]}
    assert changed == {claim.id for claim in LEDGER if "changes_time" in json.dumps(claim.model_dump(mode="json"))}
    monkeypatch.setattr("grokcore.claims.claim.SHARED_VERSION", 99)
    assert all(claim.hash != before[claim.id] for claim in LEDGER)


def sources() -> Iterator[tuple[str, int, list[Path]]]:
    """Each part of the code with a version of its own."""
    rooms = ROOT / "grokcore"
    for kind in KINDS:
        name = kind.model_fields["kind"].default
        yield name, kind.VERSION, [Path(inspect.getfile(kind))]
    shared = [rooms / "claims" / f"{name}.py" for name in SHARED]
    shared.append(rooms / "claims" / "predicates" / "grokking.py")
    shared += [rooms / "evaluation" / f"{name}.py" for name in ("behavior", "phases", "units")]
    shared += [rooms / "runs" / f"{name}.py" for name in ("fields", "groups")]
    shared += sorted((rooms / "evaluation" / "survival").glob("*.py"))
    yield "shared", SHARED_VERSION, shared


def meaning(paths: list[Path]) -> str:
    """A hash of what sources do, not of how they are written or explained."""
    digest = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:16]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_code_that_judges_does_not_change_without_its_version() -> None:
    """After a change that can change no verdict, write its new hash to code.json; after others, raise the version."""
    now = {name: {"version": version, "hash": meaning(paths)} for name, version, paths in sources()}
    known = json.loads(CODE.read_text())
    for name, found in now.items():
        assert found == known.get(name), f"{name} has changed: {json.dumps({name: found})} is not what code.json says"
    assert now.keys() == known.keys()
