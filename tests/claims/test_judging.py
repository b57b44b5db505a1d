"""What is compared with what, what confounds do to a verdict, and how often a verdict is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from grokcore.claims import LEDGER, ClaimResult, judge
from grokcore.claims.conditions import NoFactor, TwoLevelFactor
from grokcore.claims.judging import holm
from grokcore.claims.ledger.common import IID, OOD
from grokcore.claims.predicates import ChangesTime
from grokcore.claims.predicates.changes_time import Direction
from grokcore.claims.predicates.counts import majority_test, more_units, upper_tail
from grokcore.claims.predicates.grokking import grok_time
from grokcore.claims.strata import arms_of
from grokcore.evaluation.survival import EventTime, Observation, effect_of
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from tests.claims.truths import GPT2, LLAMA, MAMBA, RWKV, against, doses, group, inside, second

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
    assert (result.verdict, result.runs) == ("not tested", 0)
    assert "differ in more than that" in result.sentence
    result = judged("llama-groks-later", [*group(GPT2, at=100), *wide, *group(LLAMA, at=300)])
    assert (result.verdict, result.runs) == ("holds here", 10)


def test_times_are_compared_in_the_unit_of_the_claim() -> None:
    """LLaMA takes half the steps, at five times the FLOPs each."""
    runs = [*group(GPT2, at=400), *group(LLAMA, at=200, flops=5e9)]
    claim = BY_ID["llama-groks-later"]
    in_unit = {
        unit: claim.model_copy(update={"predicate": claim.predicate.model_copy(update={"unit": unit})})
        for unit in ("steps", "examples", "flops", "cpu_seconds")
    }
    found = {unit: judge(runs, [claim])[0] for unit, claim in in_unit.items()}
    assert {unit: result.verdict for unit, result in found.items()} == {
        "steps": "does not hold here",
        "examples": "does not hold here",
        "flops": "holds here",
        "cpu_seconds": "does not hold here",
    }
    assert "times the FLOPs to grok" in found["flops"].sentence
    assert len({claim.hash for claim in in_unit.values()}) == 4
    for line in runs[0].journal:
        del line["clock"]["cpu_seconds"]
    (unknown,) = judge(runs, [in_unit["cpu_seconds"]])
    assert unknown.verdict == "underpowered"
    assert "did not count CPU seconds" in unknown.sentence


def test_only_analyses_of_the_whole_run_and_of_the_same_questions_count() -> None:
    runs = inside("path_similarity", 1.0, 0.95, split=IID)
    changes: list[dict[str, object]] = [
        {"steps": [20, 40]},
        {"analysis": {"examples": 20, "seed": 0}},
        {"analysis": {"examples": 300, "seed": 1}},
    ]
    for change in changes:
        changed = [replace(run, analysis=run.analysis and run.analysis.model_copy(update=change)) for run in runs]
        result = judged("same-path-before-and-after", changed)
        assert result.verdict == "not tested"
        assert "no such run that was analyzed" in result.sentence
        assert "grokcore analyze RUN" in result.needs[0]


def test_transfer_is_judged_on_grokked_starts_alone() -> None:
    runs = second(0.05)
    assert judged("grown-circuit-transfers-little", runs).runs == 5
    memorized = []
    for run in runs:
        start = run.spec.model.start_from
        assert start is not None
        model = run.spec.model.model_copy(update={"start_from": start.model_copy(update={"step": "memorized"})})
        memorized.append(replace(run, spec=run.spec.model_copy(update={"model": model})))
    assert judged("grown-circuit-transfers-little", memorized).verdict == "not tested"
    assert judged("composition-groks-id-only", runs).verdict == "not tested"


def draws(*seeds: tuple[int, int], times: tuple[int, int] = (50, 150)) -> list[RunRecord]:
    """GPT-2 and LLaMA, three seeds from the second number on, on the draw of the data by the first."""
    return [
        run
        for draw, first in seeds
        for architecture, at in zip((GPT2, LLAMA), times, strict=True)
        for run in group(architecture, f"task.seed={draw}", at=at, seeds=3, first_seed=first)
    ]


def test_other_seeds_on_another_draw_of_the_data_are_units_of_their_own() -> None:
    result = judged("llama-groks-later", draws((1, 0), (2, 3)))
    assert result.verdict == "holds here", "two times three seeds say what three do not"
    assert result.p == pytest.approx(2 / 20**2)
    assert result.scope is not None
    assert (result.scope.draws, result.scope.seeds) == (2, 6)
    assert "2 draws of the data, 6 seeds" in result.sentence


def test_the_same_seeds_on_another_draw_of_the_data_are_the_same_units() -> None:
    result = judged("llama-groks-later", draws((1, 0), (2, 0)))
    assert result.verdict == "underpowered", "three seeds stay three, however many draws they are trained on"
    assert result.p == pytest.approx(2 / 20)


def test_draws_are_units_where_there_are_more_of_them_than_seeds() -> None:
    runs = [
        run
        for draw in range(4)
        for architecture, at in ((GPT2, 100), (LLAMA, 300))
        for run in group(architecture, f"task.seed={draw}", at=at + draw, seeds=1)
    ]
    result = judged("llama-groks-later", runs)
    assert result.verdict == "holds here"
    assert result.p == pytest.approx(2 / 70)


def test_runs_on_different_draws_of_the_data_are_not_compared() -> None:
    runs = [*group(GPT2, "task.seed=1", at=100), *group(LLAMA, "task.seed=2", at=300)]
    assert judged("llama-groks-later", runs).verdict == "underpowered"


def test_the_same_seeds_with_several_settings_do_not_add_up() -> None:
    """Three seeds in two settings are no six trials."""
    runs = [run for rate in (0.001, 0.003) for run in group(GPT2, f"training.learning_rate={rate}", at=600, seeds=3)]
    result = judged("gpt2-groks", runs)
    assert (result.verdict, result.p) == ("underpowered", 1 / 8)
    runs = [run for decay in ("0", "0.1", "0.3") for run in group(f"training.weight_decay={decay}", at=100, seeds=3)]
    assert judged("decay-may-delay", runs).verdict == "underpowered"


def test_a_claim_over_every_setting_needs_all_and_falls_with_one() -> None:
    settings = [f"training.learning_rate={rate}" for rate in (0.001, 0.003)]
    holds = [run for setting in settings for run in group(GPT2, setting, at=600, seeds=5)]
    assert judged("gpt2-groks", holds).verdict == "holds here"
    one = [*group(GPT2, settings[0], at=600, seeds=6), *group(GPT2, settings[1], at=None, seeds=6)]
    result = judged("gpt2-groks", one)
    assert result.verdict == "does not hold here"
    found = "of 2 settings it holds in 1, does not hold in 1: [training.learning_rate 0.003] 0 of 6 seeds"
    assert found in result.sentence.lower()
    assert result.p == pytest.approx(2 / 64), "twice the p of the setting that decides"
    weak = [*group(GPT2, settings[0], at=600, seeds=5), *group(GPT2, settings[1], at=None, seeds=5)]
    assert judged("gpt2-groks", weak).verdict == "underpowered", "1/32 is not enough of one in two"
    both = [run for setting in settings for run in group(GPT2, setting, at=None, seeds=5)]
    result = judged("gpt2-groks", both)
    assert (result.verdict, result.p) == ("does not hold here", 1 / 32), "and it is of two in two"


def test_a_claim_that_there_is_a_setting_stands_with_one_and_falls_with_all() -> None:
    none, little, much = (f"training.weight_decay={decay}" for decay in (0, 0.1, 1))
    runs = doses(none, little, much, times=(100, 300, 50), seeds=5)
    assert judged("decay-may-delay", runs).verdict == "holds here"
    assert judged("decay-may-delay", doses(none, little, much, times=(300, 100, 100), seeds=5)).verdict == (
        "does not hold here"
    )


def test_settings_with_too_few_seeds_are_left_out_and_counted() -> None:
    runs = [
        *group(GPT2, "training.learning_rate=0.001", at=600),
        *group(GPT2, "training.learning_rate=0.003", at=None, seeds=2),
    ]
    result = judged("gpt2-groks", runs)
    assert result.verdict == "holds here"
    assert "1 further setting is left out, for too few seeds" in result.sentence


def test_three_seeds_against_three_are_never_enough_for_a_difference_of_times() -> None:
    for claim in LEDGER:
        if isinstance(claim.predicate, ChangesTime) and isinstance(claim.factor, TwoLevelFactor):
            least = effect_of(
                [[Observation(x, EventTime(10**place), 10**9) for place, x in enumerate((0, 0, 0, 1, 1, 1))]]
            )
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
    assert parts(result, "model.init") == {"published": "holds here", "original": "does not hold here"}
    (confound,) = [one for one in result.confounds if one.field == "model.init"]
    assert confound.decides
    assert "It depends on model.init: does not hold here with original, holds here with published" in result.sentence


def test_a_confound_that_does_not_vary_stands_there_with_its_only_value() -> None:
    result = judged("rwkv-does-not-grok", against(GPT2, RWKV, (100, None)))
    assert parts(result, "model.init") == {"published": "holds here"}
    assert not any(confound.decides for confound in result.confounds)


def test_groups_that_agree_in_a_confound_are_compared_where_there_are_any() -> None:
    """LLaMA does not tie its embeddings and is later; tied like GPT-2's it is not."""
    runs = [*against(GPT2, LLAMA, (100, 300)), *group(LLAMA, "model.tie_embeddings=true", at=50)]
    result = judged("llama-groks-later", runs)
    assert parts(result, "model.tie_embeddings") == {"equal": "does not hold here", "different": "holds here"}
    assert result.verdict == "does not hold here"
    assert result.runs == 10


def test_a_sweep_of_the_reference_does_not_blur_what_it_is_compared_with() -> None:
    """Nor does weight decay that only GPT-2 was tried at."""
    sweep = [run for decay in (0.01, 3.0) for run in group(GPT2, f"training.weight_decay={decay}", at=900)]
    result = judged("llama-groks-later", [*against(GPT2, LLAMA, (100, 300)), *sweep])
    assert (result.verdict, result.runs) == ("holds here", 10)


def test_the_same_dropout_of_two_architectures_is_not_the_same_treatment() -> None:
    result = judged("llama-groks-later", against(f"{GPT2} model.dropout=0.1", f"{LLAMA} model.dropout=0.1", (100, 300)))
    assert (result.verdict, result.runs) == ("not tested", 0)
    assert "differ in more than that" in result.sentence


def early(*overrides: str, at: float = 25, **more: int) -> list[RunRecord]:
    """Runs that reach the threshold OOD along with the training set, at step 20: they generalize, and do not grok."""
    return group(*overrides, at=at, iid=at, **more)


def test_runs_that_generalize_along_with_the_training_set_do_not_grok() -> None:
    """In every predicate: sustained is not enough, it has to come twice as late as the training set."""
    assert judged("gpt2-groks", early(GPT2)).verdict == "does not hold here"
    late, soon = group(GPT2, at=100), early(RWKV)
    never = judged("rwkv-does-not-grok", [*late, *soon])
    assert never.verdict == "underpowered", "neither grokked nor trained in vain"
    assert "5 seeds reached it along with the training set" in never.sentence
    assert judged("rwkv-does-not-grok", [*early(GPT2), *group(RWKV, at=None)]).verdict == "underpowered"
    sooner = judged("llama-groks-later", [*early(GPT2), *group(LLAMA, at=300)])
    assert sooner.verdict == "underpowered"
    assert "which is not grokking" in sooner.sentence


def test_a_run_that_merely_generalized_has_no_time_to_grok() -> None:
    """It is censored at its budget: to count its early rise as a time would make a model that groks late look early."""
    soon, late = early(GPT2)[0], group(GPT2, at=100)[0]
    assert grok_time(soon, OOD) == EventTime(2000, censored=True)
    assert not grok_time(late, OOD).censored
    mixed = [*group(LLAMA, at=300, seeds=4), *early(LLAMA, seeds=1, first_seed=4)]
    assert judged("llama-groks-later", [*group(GPT2, at=100), *mixed]).verdict == "holds here"


def test_sharing_is_to_bring_what_a_plain_model_lacks_and_not_only_to_be_sooner() -> None:
    plain, shared = "model.layers=4", "model.sharing.kind=blocks"
    both = against(plain, shared, (1200, 300), iid=300, base="composition-small")
    assert judged("sharing-brings-ood", both).verdict == "does not hold here"


def test_what_was_tuned_apart_is_compared_and_said_to_be_different() -> None:
    runs = against(f"{GPT2} training.learning_rate=0.001", f"{LLAMA} training.learning_rate=0.003", (100, 300))
    result = judged("llama-groks-later", runs)
    assert result.verdict == "holds here"
    assert parts(result, "training.learning_rate") == {"different": "holds here"}


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
    assert refuted.verdict == "does not hold here"
    assert refuted.sentence.startswith("1 of 6 seeds grokked")


def test_a_claim_that_is_underpowered_says_what_would_decide_it() -> None:
    short = judged("rwkv-does-not-grok", [*group(GPT2, at=100), *group(RWKV, at=None, steps=200)])
    assert short.needs[0].startswith("a budget of 3")
    assert short.needs[0].endswith("steps for 5 seeds")
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
    ("yes", "no", "decision"),
    [(5, 0, "supported"), (4, 0, "undecided"), (7, 1, "supported"), (6, 1, "undecided"), (0, 5, "contradicted")],
)
def test_most_is_decided_by_the_sign_test(yes: int, no: int, decision: str) -> None:
    finding = majority_test(["yes"] * yes + ["no"] * no, "do", 0.05, "wait")
    assert finding.decision == decision
    assert upper_tail(5, 5) == 1 / 32
    assert more_units(4, 0, 0, 0.05) == 1
    assert more_units(0, 0, 0, 0.05) == 5
    assert majority_test(["yes"] * 4 + ["open"] * 2, "do", 0.05, "more time").needs == ("more time for 1 seed",)


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
            Observation(
                float(place >= 5), EventTime(int(time)) if time < 1500 else EventTime(1500, censored=True), 1500
            )
            for place, time in enumerate(times)
        ]
        effect = effect_of([sample])
        interval = effect.lower or 0.0, effect.upper or math.inf
        claimed = any(_inside(interval, region) for region in _CLAIMED[direction])
        excluded = not claimed and any(_inside(interval, region) for region in _EXCLUDED[direction])
        errors += claimed if wrong == "reproduced" else excluded
    assert errors <= 120 * 0.05 + 2 * math.sqrt(120 * 0.05 * 0.95)


def test_factors_name_their_settings() -> None:
    assert NoFactor().level({}) == 0
    assert BY_ID["deeper-sooner"].factor.level({"model.layers": 8}) == pytest.approx(math.log(8))
    assert BY_ID["deeper-sooner"].factor.level({}) is None
    sides = BY_ID["decay-speeds"].factor
    assert [sides.level({"training.weight_decay": value}) for value in (0.0, 0.1, None)] == [0, 1, None]
    assert doses("model.layers=1", times=(100,), seeds=1)[0].spec.model.layers == 1


@pytest.mark.parametrize("part", ["sharing.kind=blocks", "recurrence.kind=random", "memory.kind=slots"])
def test_composed_models_count_for_claims_that_name_their_parts_alone(part: str) -> None:
    def groups(claim: str, base: str) -> int:
        runs = [*group(at=600, base=base), *group(f"model.{part}", at=None, base=base)]
        return len(arms_of(BY_ID[claim], groups_of(runs)))

    assert groups("gpt2-groks", "smoke") == 1
    assert groups("sharing-brings-ood", "composition-small") == (2 if part.startswith("sharing") else 1)
