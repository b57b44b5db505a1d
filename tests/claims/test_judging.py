"""What is compared with what, what confounds do to a verdict, and how often a verdict is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from grokcore.claims import LEDGER, ClaimResult, judge
from grokcore.claims.factors import Alone, Sides
from grokcore.claims.judging import holm
from grokcore.claims.predicates import ChangesTime
from grokcore.claims.predicates.changes_time import Direction
from grokcore.claims.predicates.shares import more_runs, most, upper_tail
from grokcore.claims.strata import members_of
from grokcore.evaluation.records import RunRecord, groups_of
from grokcore.evaluation.survival import Reached, Timed, effect_of
from tests.claims.truths import GPT2, LLAMA, MAMBA, RWKV, against, doses, group

BY_ID = {claim.id: claim for claim in LEDGER}


def judged(claim: str, runs: Sequence[RunRecord]) -> ClaimResult:
    (result,) = judge(runs, [BY_ID[claim]])
    return result


def parts(result: ClaimResult, field: str) -> dict[str, str]:
    (confound,) = [one for one in result.confounds if one.field == field]
    return {part.value: part.verdict for part in confound.parts}


def test_only_groups_that_are_equal_in_everything_else_are_compared() -> None:
    wide = group(LLAMA, "model.width=64", "model.heads=4", at=300)
    result = judged("llama-groks-later", [*group(GPT2, at=100), *wide])
    assert (result.verdict, result.runs) == ("underpowered", 0)
    assert "differ in more than that" in result.sentence
    result = judged("llama-groks-later", [*group(GPT2, at=100), *wide, *group(LLAMA, at=300)])
    assert (result.verdict, result.runs) == ("reproduced", 10)


def test_tasks_and_data_seeds_are_strata_of_their_own() -> None:
    runs = [
        *against(f"{GPT2} task.seed=1", f"{LLAMA} task.seed=1", (50, 150), seeds=3),
        *against(f"{GPT2} task.seed=2", f"{LLAMA} task.seed=2", (500, 1400), seeds=3),
    ]
    result = judged("llama-groks-later", runs)
    assert [stratum.label for stratum in result.strata] == ["task.seed 1", "task.seed 2"]
    assert result.verdict == "reproduced", "two times three seeds say what three do not"
    assert result.p == pytest.approx(2 / 20**2)


def test_three_seeds_against_three_are_never_enough_for_a_difference_of_times() -> None:
    for claim in LEDGER:
        if isinstance(claim.predicate, ChangesTime) and isinstance(claim.factor, Sides):
            least = effect_of([[Timed(x, Reached(10**place), 10**9) for place, x in enumerate((0, 0, 0, 1, 1, 1))]])
            assert least.least > claim.alpha
    result = judged("llama-groks-later", against(GPT2, LLAMA, (50, 1500), seeds=3))
    assert result.verdict == "underpowered"
    assert result.needs == ["1 more seed in each group: so few cannot differ by more than chance"]


def test_a_confound_that_turns_the_verdict_is_named() -> None:
    runs = [
        *against(GPT2, RWKV, (100, None)),
        *group(RWKV, "model.init=original", at=150),
    ]
    result = judged("rwkv-does-not-grok", runs)
    assert parts(result, "model.init") == {"published": "reproduced", "original": "refuted"}
    (confound,) = [one for one in result.confounds if one.field == "model.init"]
    assert confound.decides
    assert "It depends on model.init: refuted with original, reproduced with published" in result.sentence


def test_a_confound_that_does_not_vary_stands_there_with_its_only_value() -> None:
    result = judged("rwkv-does-not-grok", against(GPT2, RWKV, (100, None)))
    assert parts(result, "model.init") == {"published": "reproduced"}
    assert not any(confound.decides for confound in result.confounds)


def test_groups_that_agree_in_a_confound_are_compared_where_there_are_any() -> None:
    """LLaMA does not tie its embeddings and is later; tied like GPT-2's it is not."""
    runs = [*against(GPT2, LLAMA, (100, 300)), *group(LLAMA, "model.tie_embeddings=true", at=50)]
    result = judged("llama-groks-later", runs)
    assert parts(result, "model.tie_embeddings") == {"equal": "refuted", "different": "reproduced"}
    assert result.verdict == "refuted"
    assert result.runs == 10


def test_a_sweep_of_the_reference_does_not_blur_what_it_is_compared_with() -> None:
    """Nor does weight decay that only GPT-2 was tried at."""
    sweep = [run for decay in (0.01, 3.0) for run in group(GPT2, f"training.weight_decay={decay}", at=900)]
    result = judged("llama-groks-later", [*against(GPT2, LLAMA, (100, 300)), *sweep])
    assert (result.verdict, result.runs) == ("reproduced", 10)


def test_what_was_tuned_apart_is_compared_and_said_to_be_different() -> None:
    runs = against(f"{GPT2} training.learning_rate=0.001", f"{LLAMA} training.learning_rate=0.003", (100, 300))
    result = judged("llama-groks-later", runs)
    assert result.verdict == "reproduced"
    assert parts(result, "training.learning_rate") == {"different": "reproduced"}


def test_the_same_seeds_on_two_implementations_count_once() -> None:
    runs = against(GPT2, LLAMA, (100, 300), seeds=3)
    again = against(
        f"{GPT2} model.implementation=transformers", f"{LLAMA} model.implementation=transformers", (100, 300), seeds=3
    )
    result = judged("llama-groks-later", [*runs, *again])
    assert (result.verdict, result.runs) == ("underpowered", 6)


def test_evidence_names_the_runs_and_what_they_came_to() -> None:
    runs = against(GPT2, RWKV, (100, None))
    (stratum,) = judged("rwkv-does-not-grok", runs).strata
    first, second = stratum.groups
    assert (first.setting, second.setting) == ("GPT-2", "RWKV")
    assert (first.reached, second.reached) == (5, 0)
    assert first.run_ids == [run.manifest.run_id for run in runs[:5]]
    assert first.seeds == [0, 1, 2, 3, 4]
    assert (first.median_censored, second.median_censored) == (False, True)
    assert second.median_steps == second.followed == 2000


def test_never_holds_up_to_a_budget_and_is_refuted_by_one_run() -> None:
    held = judged("mamba-does-not-grok", against(GPT2, MAMBA, (100, None)))
    assert "it holds up to that budget" in held.sentence
    limit = held.numbers["budget_steps"]
    assert isinstance(limit, int | float)
    assert 290 < limit < 340
    one = group(MAMBA, at=1500, seeds=1, first_seed=9)
    refuted = judged("mamba-does-not-grok", [*against(GPT2, MAMBA, (100, None)), *one])
    assert refuted.verdict == "refuted"
    assert refuted.sentence.startswith("1 of 6 runs reached")


def test_a_claim_that_is_underpowered_says_what_would_decide_it() -> None:
    short = judged("rwkv-does-not-grok", [*group(GPT2, at=100), *group(RWKV, at=None, steps=200)])
    assert short.needs[0].startswith("a budget of 3")
    assert short.needs[0].endswith("steps for 5 runs")
    close = judged("llama-groks-later", against(GPT2, LLAMA, (100, 110), seeds=4))
    assert close.verdict == "underpowered"
    assert "seeds" in close.needs[0]
    none = judged("few-entities-never-grok", group("task.entities=40", at=None))
    assert none.needs == ["runs of 400 entities or more, 4 seeds or more"]


def test_every_result_has_holms_p_over_the_claims_that_were_tested() -> None:
    results = judge([*against(GPT2, LLAMA, (100, 300)), *group(RWKV, at=None)])
    tested = [result for result in results if result.p is not None]
    assert len(tested) > 2
    assert all(result.p_holm is not None and result.p is not None and result.p_holm >= result.p for result in tested)
    assert all(result.p_holm is None for result in results if result.p is None)


def test_holms_correction_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None]) == [None]


@pytest.mark.parametrize(
    ("yes", "no", "verdict"),
    [(5, 0, "reproduced"), (4, 0, "underpowered"), (7, 1, "reproduced"), (6, 1, "underpowered"), (0, 5, "refuted")],
)
def test_most_is_decided_by_the_sign_test(yes: int, no: int, verdict: str) -> None:
    finding = most(["yes"] * yes + ["no"] * no, "do", 0.05, "wait")
    assert finding.verdict == verdict
    assert upper_tail(5, 5) == 1 / 32
    assert more_runs(4, 0, 0.05) == 1
    assert more_runs(0, 0, 0.05) == 5
    assert most(["yes"] * 4 + ["open"] * 2, "do", 0.05, "more time").needs == ("more time for 1 run",)


@pytest.mark.parametrize(
    ("direction", "ratio", "wrong"),
    [
        ("later", 1.0, "reproduced"),
        ("sooner", 1.0, "reproduced"),
        ("alike", 2.0, "reproduced"),
        ("later", 1.3, "refuted"),
    ],
)
def test_verdicts_are_wrong_no_more_often_than_alpha_says(direction: Direction, ratio: float, wrong: str) -> None:
    """120 samples of 5 runs against 5, censored at 1.5 times the median, in which the verdict would be wrong."""
    generator = np.random.default_rng(3)
    from grokcore.claims.predicates.changes_time import _CLAIMED, _EXCLUDED, _inside

    errors = 0
    for _ in range(120):
        times = generator.lognormal(math.log(1000), 0.3, 10) * np.repeat([1.0, ratio], 5)
        sample = [
            Timed(float(place >= 5), Reached(int(time)) if time < 1500 else Reached(1500, censored=True), 1500)
            for place, time in enumerate(times)
        ]
        effect = effect_of([sample])
        interval = effect.lower or 0.0, effect.upper or math.inf
        claimed = any(_inside(interval, region) for region in _CLAIMED[direction])
        excluded = not claimed and any(_inside(interval, region) for region in _EXCLUDED[direction])
        errors += claimed if wrong == "reproduced" else excluded
    assert errors <= 120 * 0.05 + 2 * math.sqrt(120 * 0.05 * 0.95)


def test_factors_name_their_settings() -> None:
    assert Alone().level({}) == 0
    assert BY_ID["deeper-sooner"].factor.level({"model.layers": 8}) == pytest.approx(math.log(8))
    assert BY_ID["deeper-sooner"].factor.level({}) is None
    sides = BY_ID["decay-speeds"].factor
    assert [sides.level({"training.weight_decay": value}) for value in (0.0, 0.1, None)] == [0, 1, None]
    assert doses("model.layers=1", times=(100,), seeds=1)[0].spec.model.layers == 1


@pytest.mark.parametrize("part", ["sharing.kind=blocks", "recurrence.kind=random", "memory.kind=slots"])
def test_composed_models_count_for_claims_that_name_their_parts_alone(part: str) -> None:
    def groups(claim: str, base: str) -> int:
        runs = [*group(at=600, base=base), *group(f"model.{part}", at=None, base=base)]
        return len(members_of(BY_ID[claim], groups_of(runs)))

    assert groups("gpt2-groks", "smoke") == 1
    assert groups("sharing-brings-ood", "composition-small") == (2 if part.startswith("sharing") else 1)
