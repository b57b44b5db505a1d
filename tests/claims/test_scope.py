"""What a verdict is about: the published conditions, or the scale and the threshold of the runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grokcore.claims import LEDGER, ClaimResult, judge
from grokcore.claims.claim import Published
from grokcore.runs.record import RunRecord
from tests.claims.truths import GPT2, LLAMA, against, doses, group
from tests.evaluation.made_up import Rise

BY_ID = {claim.id: claim for claim in LEDGER}
THRESHOLD = "evaluation.threshold=0.9 evaluation.stable_threshold=0.9"
AS_PUBLISHED = ["task.probe_size=100", "evaluation.interval=100000", "evaluation.growth=1.03", "model.layers=8"]


def judged(claim: str, runs: Sequence[RunRecord]) -> list[ClaimResult]:
    return judge(runs, [BY_ID[claim]])


def published(*overrides: str, at: float | None, seeds: int = 5, steps: int = 2000) -> list[RunRecord]:
    """Runs under the conditions of the thesis, but for their length: made-up ones memorize at step 20."""
    more = [*AS_PUBLISHED, "training.precision=fp16", *overrides]
    return group(*more, at=at, seeds=seeds, steps=steps, base="thesis")


def test_runs_at_the_published_conditions_reproduce_or_refute() -> None:
    (result,) = judged("gpt2-groks", published(at=600))
    assert (result.verdict, result.scope.published, result.scope.unmet) == ("reproduced", True, [])  # type: ignore[union-attr]
    (result,) = judged("gpt2-groks", published(at=None))
    assert result.verdict == "refuted"


@pytest.mark.parametrize(
    ("override", "unmet"),
    [
        ("model.layers=2", "model.layers 2 (published 8)"),
        ("model.width=384", "model.width 384 (published 768)"),
        ("task.entities=400", "task.entities 400 (published 1000)"),
        ("task.values=10", "task.values 10 (published 20)"),
        ("training.precision=bf16", "training.precision bf16 (published fp16)"),
        ("training.learning_rate=0.001", "training.learning_rate 0.001 (published 0.0001)"),
        ("evaluation.threshold=0.97", "evaluation.threshold 0.97 (published 0.99)"),
        ("evaluation.sustain=1", "evaluation.sustain 1 (published 3 or more)"),
    ],
)
def test_a_condition_that_is_not_met_takes_the_published_words_from_a_verdict(override: str, unmet: str) -> None:
    (result,) = judged("gpt2-groks", published(override, at=600))
    assert result.verdict == "holds here"
    assert result.scope is not None
    assert result.scope.unmet == [unmet]


def test_runs_shorter_than_the_published_ones_do_not_refute() -> None:
    (result,) = judged("llama-groks-later", [*published(GPT2, at=300), *published(LLAMA, at=None, steps=4000)])
    assert result.verdict == "holds here"
    assert result.scope is not None
    (unmet,) = result.scope.unmet
    assert unmet.endswith("times the steps to memorize (published 300)")


def test_a_small_model_at_a_low_threshold_refutes_nothing() -> None:
    (result,) = judged("gpt2-groks", group(GPT2, *THRESHOLD.split(), at=None))
    assert result.verdict == "does not hold here"
    for told in ("threshold 0.9", "layers 2", "width 32", "entities 40", "values 3", "1 draw of the data, 5 seeds"):
        assert told in result.sentence
    assert "times the steps to memorize" in result.sentence


def _to_95(at: float | None) -> Rise:
    return Rise(at, high=0.95)


def test_judging_the_same_runs_at_another_threshold_changes_the_hash() -> None:
    """The verdict turns with the threshold: it must not do so under one hash."""
    high = group(GPT2, at=600, ood=_to_95)
    low = group(
        GPT2,
        *THRESHOLD.split(),
        at=600,
        ood=_to_95,
    )
    (strict,), (loose,) = judged("gpt2-groks", high), judged("gpt2-groks", low)
    assert (strict.verdict, loose.verdict) == ("does not hold here", "holds here")
    assert strict.claim_hash == loose.claim_hash == BY_ID["gpt2-groks"].hash
    assert strict.hash != loose.hash


def test_runs_of_several_scales_are_judged_apart() -> None:
    """Large ones show it and small ones do not: neither hides the other."""
    large = against(f"{GPT2} model.width=64", f"{LLAMA} model.width=64", (100, 300))
    small = against(GPT2, LLAMA, (300, 100))
    results = judged("llama-groks-later", [*large, *small])
    assert {result.verdict for result in results} == {"holds here", "does not hold here"}
    assert len({result.hash for result in results}) == 2
    assert [result.scope.fields["model.width"] for result in results] == [[32], [64]]  # type: ignore[union-attr]
    assert all(result.runs == 10 for result in results)


def test_published_runs_are_judged_apart_from_others_of_their_scale() -> None:
    runs = [*published(at=600), *published("training.precision=bf16", at=None)]
    results = judged("gpt2-groks", runs)
    assert [(result.verdict, result.runs) for result in results] == [("reproduced", 5), ("does not hold here", 5)]


def test_runs_at_two_thresholds_are_judged_apart() -> None:
    runs = [*group(GPT2, at=600), *group(GPT2, *THRESHOLD.split(), at=600)]
    assert [result.scope.threshold for result in judged("gpt2-groks", runs)] == [0.9, 0.99]  # type: ignore[union-attr]


def test_what_a_claim_varies_is_no_scale() -> None:
    (result,) = judged("fewer-values-sooner", doses("task.values=3", "task.values=6", times=(100, 200)))
    assert result.scope is not None
    assert result.scope.fields["task.values"] == [3, 6]


def test_facts_are_held_where_a_claim_says_so() -> None:
    runs = [*group("task.entities=40", "task.attributes=8", at=400), *group("task.entities=80", at=200)]
    (result,) = judged("sparse-data-sooner", runs)
    assert result.verdict == "not tested"


def test_a_published_product_is_a_condition_too() -> None:
    def entities(*pairs: tuple[int, int]) -> ClaimResult:
        runs = [
            run
            for n, m in pairs
            for run in published(f"task.entities={n}", f"task.attributes={m}", at=300 if n > 400 else None)
        ]
        (result,) = judged("few-entities-never-grok", runs)
        return result

    assert entities((1000, 20), (200, 100)).verdict == "reproduced"
    fewer = entities((1000, 10), (200, 50))
    assert fewer.verdict == "holds here"
    assert fewer.scope is not None
    assert fewer.scope.unmet == ["task.entities x task.attributes 10000 (published 20000)"]


def test_a_published_condition_on_a_field_that_an_architecture_lacks_asks_nothing_of_it() -> None:
    assert all(isinstance(claim.published, Published) for claim in LEDGER)
    mamba = published("model.architecture=mamba", at=None, steps=12000)
    (result,) = judged("mamba-does-not-grok", [*published(GPT2, at=300), *mamba])
    assert result.verdict == "reproduced"
