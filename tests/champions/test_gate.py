"""The gate by what it promises: who is promoted, who is not, and how often it is wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokcore.champions import Challenger, GateRules, Judgment, judge, parse_rules
from grokcore.champions.gains import excess_of, failing, gains_of
from grokcore.errors import InputError
from tests.champions.challengers import BUDGET, challenger, seed_result

RULES = GateRules()
SLOW = [2800.0, 3100.0, 3000.0, 3300.0, 2900.0]
FAST = [1500.0, 1400.0, 1600.0, 1450.0, 1550.0]


def verdict(candidate: Challenger, champion: Challenger | None, **rules: Any) -> str:
    return judge(candidate, champion, GateRules(**rules)).verdict


def test_a_faster_candidate_is_promoted():
    found = judge(challenger(FAST, name="new"), challenger(SLOW), RULES)
    assert found.verdict == "promote"
    assert found.time is not None
    assert found.time.lower > 0.4
    assert found.time.gain == pytest.approx(0.5, abs=0.06)
    assert not found.paired, "five pairs set no limits of their own"
    assert judge(challenger([*FAST, 1500.0], name="new"), challenger([*SLOW, 3000.0]), RULES).paired
    assert f"saves {found.time.gain:.1%}" in found.sentence
    assert "test_inferred_ood" in found.sentence


def test_a_slower_candidate_is_not():
    found = judge(challenger(SLOW, name="new"), challenger(FAST), RULES)
    assert found.verdict == "keep"
    assert found.time is not None
    assert found.time.upper < 0


def test_a_more_accurate_candidate_is_promoted_though_no_faster():
    found = judge(challenger(SLOW, 0.99, name="new"), challenger(SLOW, 0.95), RULES)
    assert found.verdict == "promote"
    assert found.accuracy is not None
    assert found.accuracy.gain == pytest.approx(0.04)


@pytest.mark.parametrize("accuracy", [0.97, 0.5])
def test_a_faster_candidate_that_loses_accuracy_is_not_promoted(accuracy: float):
    assert verdict(challenger(FAST, accuracy, name="new"), challenger(SLOW, 0.995)) == "keep"
    assert verdict(challenger(FAST, accuracy, name="new"), challenger(SLOW, 0.995), accuracy_margin=0.6) == "promote"


def test_a_more_accurate_candidate_that_is_much_slower_is_not_promoted():
    assert verdict(challenger(SLOW, 0.99, name="new"), challenger(FAST, 0.9)) == "keep"
    assert verdict(challenger(SLOW, 0.99, name="new"), challenger(FAST, 0.9), time_margin=2.0) == "promote"


def test_a_gain_below_the_minimum_does_not_count():
    a_little_faster = challenger([time * 0.7 for time in SLOW], name="new")
    assert verdict(a_little_faster, challenger(SLOW)) == "promote"
    assert verdict(a_little_faster, challenger(SLOW), minimum_time_gain=0.5) == "keep"


def test_between_shown_and_ruled_out_it_is_inconclusive():
    mixed = challenger([1500, 3500, 1400, 3600, 2900], name="new")
    found = judge(mixed, challenger(SLOW), RULES)
    assert found.verdict == "inconclusive"
    assert found.time is not None
    assert found.time.lower < RULES.minimum_time_gain < found.time.upper


@given(
    st.lists(st.floats(10, 3 * BUDGET), min_size=5, max_size=8),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
)
@settings(max_examples=40, deadline=None)
def test_equal_results_are_never_promoted(
    found: list[float], time_gain: float, accuracy_gain: float, accuracy: list[float]
):
    champion = challenger(found, accuracy[: len(found)])
    candidate = challenger(found, accuracy[: len(found)], name="new")
    rules = GateRules(minimum_time_gain=time_gain, minimum_accuracy_gain=accuracy_gain, accuracy_margin=0.9)
    assert judge(candidate, champion, rules).verdict != "promote"


@given(
    st.lists(st.floats(10, 3 * BUDGET), min_size=5, max_size=7),
    st.lists(st.floats(10, 3 * BUDGET), min_size=5, max_size=7),
    st.floats(0.2, 1),
    st.integers(0, 4),
)
@settings(max_examples=60, deadline=None)
def test_a_candidate_that_does_better_is_never_judged_worse(
    ours: list[float], theirs: list[float], factor: float, which: int
):
    """Times that get shorter, in one seed or in all, take no promotion away, nor the hope of one."""
    order = ["keep", "inconclusive", "promote"]
    champion = challenger(theirs)
    before = judge(challenger(ours, name="new"), champion, RULES)
    one = [time * factor if number == which else time for number, time in enumerate(ours)]
    for better in (one, [time * factor for time in ours]):
        after = judge(challenger(better, name="new"), champion, RULES)
        assert order.index(after.verdict) >= order.index(before.verdict), (before.sentence, after.sentence)


@pytest.mark.parametrize(
    "change",
    [{"accuracy": None}, {"finite": False}, {"accuracy": None, "finite": False, "reached": False, "after": None}],
)
@pytest.mark.parametrize("which", range(5))
def test_a_number_that_is_none_is_never_promoted(change: dict[str, Any], which: int):
    damaged = challenger(FAST, name="new")
    seeds = [*damaged.seeds]
    seeds[which] = seed_result(which, "new", FAST[which], **change)
    damaged = damaged.model_copy(update={"seeds": tuple(seeds)})
    for champion in (None, challenger(SLOW)):
        found = judge(damaged, champion, RULES)
        assert found.verdict == "keep"
        assert f"({which}) diverged or ended not finite" in found.sentence
    assert (
        verdict(challenger(FAST, name="new"), damaged.model_copy(update={"experiment_id": "other"})) == "inconclusive"
    )


def test_numbers_that_are_none_cannot_even_be_written_down():
    with pytest.raises(ValueError, match="finite"):
        seed_result(0, "new", 100, math.nan)


def test_seeds_that_did_not_train_to_their_end_decide_nothing():
    stopped = challenger(FAST, name="new")
    seeds = (seed_result(0, "new", FAST[0], ended=False), *stopped.seeds[1:])
    found = judge(stopped.model_copy(update={"seeds": seeds}), challenger(SLOW), RULES)
    assert found.verdict == "inconclusive"
    assert "(0) did not train to their end" in found.sentence


def test_too_few_seeds_decide_nothing_on_either_side():
    assert verdict(challenger(FAST[:4], name="new"), challenger(SLOW)) == "inconclusive"
    assert verdict(challenger(FAST, name="new"), challenger(SLOW[:4])) == "inconclusive"
    assert verdict(challenger(FAST[:4], name="new"), None) == "inconclusive"
    assert (
        "has 4 seeds, and the gate asks for 5"
        in judge(challenger(FAST[:4], name="new"), challenger(SLOW), RULES).sentence
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"task_id": "other"}, "task"),
        ({"split": "test_inferred_iid"}, "split"),
        ({"evaluation_id": "other"}, "threshold"),
        ({"threshold": 0.9}, "threshold"),
    ],
)
def test_what_cannot_be_compared_is_never_promoted(change: dict[str, Any], named: str):
    found = judge(challenger(FAST, name="new", **change), challenger(SLOW), RULES)
    assert found.verdict == "inconclusive"
    assert named in found.sentence
    assert "champion" in found.sentence


def test_the_champions_own_experiment_is_kept_whatever_its_seeds_came_to():
    lucky = challenger(FAST, name="champion", first_seed=10)
    found = judge(lucky, challenger(SLOW), RULES)
    assert found.verdict == "keep"
    assert "with other seeds" in found.sentence
    again = judge(challenger(SLOW), challenger(SLOW), RULES)
    assert again.verdict == "keep"
    assert "run again" in again.sentence


def test_the_first_champion_needs_most_of_its_seeds_to_grok():
    never = 2.0 * BUDGET
    assert verdict(challenger(SLOW), None) == "promote"
    assert verdict(challenger([*SLOW[:4], never]), None) == "promote"
    found = judge(challenger([*SLOW[:3], never, never]), None, RULES)
    assert found.verdict == "keep"
    assert "only 3 of its 5 seeds hold 0.99" in found.sentence
    assert verdict(challenger([*SLOW[:3], never, never]), None, minimum_reached=0.6) == "promote"


def test_a_run_that_never_grokked_counts_as_taking_the_whole_budget():
    never = [2.0 * BUDGET] * 5
    found = judge(challenger(FAST, name="new"), challenger(never, 0.995), RULES)
    assert found.verdict == "promote"
    assert found.horizon == BUDGET
    assert found.time is not None
    assert found.time.champion == BUDGET
    nobody = judge(challenger(never, name="new"), challenger(never), RULES)
    assert (nobody.verdict, nobody.time.gain if nobody.time else None) == ("keep", 0.0)


def test_seeds_are_paired_only_with_the_same_ones_on_the_same_data():
    champion, six = challenger([*SLOW, 3000.0]), [*FAST, 1500.0]
    for candidate, paired in (
        (challenger(six, name="new"), True),
        (challenger(six, name="new", first_seed=1), False),
        (challenger([*six, 1500.0], name="new"), False),
        (challenger(six, name="new", dataset_id="other"), False),
    ):
        assert judge(candidate, champion, RULES).paired is paired


def test_what_pairs_have_in_common_drops_out():
    """Seeds that are hard for both sides hide a gain of each pair, unless they are paired."""
    champion = [1000.0, 2000.0, 4000.0, 6000.0, 8000.0, 16000.0]
    candidate = [time * 0.6 for time in champion]
    assert verdict(challenger(candidate, name="new"), challenger(champion)) == "promote"
    apart = judge(challenger(candidate, name="new", first_seed=7), challenger(champion), RULES)
    assert apart.verdict == "inconclusive"


def test_equal_arguments_give_equal_judgments_whatever_the_order_of_the_seeds():
    candidate, champion = challenger([1500, 3500, 1400, 3600, 2900], name="new"), challenger(SLOW)
    turned = [side.model_copy(update={"seeds": side.seeds[::-1]}) for side in (candidate, champion)]
    assert judge(candidate, champion, RULES) == judge(*turned, RULES) == judge(candidate, champion, RULES)


def test_a_judgment_survives_json():
    found = judge(challenger(FAST, name="new"), challenger(SLOW), RULES)
    assert Judgment.model_validate_json(found.model_dump_json()) == found


def test_the_interval_holds_at_either_end_of_the_intervals_of_the_times():
    """On a coarse grid the true times may lie anywhere between two evaluations."""
    candidate, champion = challenger(FAST, name="new"), challenger(SLOW)
    coarse = champion.model_copy(
        update={"seeds": tuple(seed.model_copy(update={"after": 0}) for seed in champion.seeds)}
    )
    assert gains_of(candidate, coarse, 0.95).time.lower < gains_of(candidate, champion, 0.95).time.lower


def test_the_gains_of_a_run_that_ended_early_are_those_of_its_worse_end():
    """It may have gone on in vain up to the horizon: no gain for the candidate, none lost by the champion."""
    early = seed_result(0, "new", FAST[0], steps=500, reached=False, after=None)
    candidate = challenger([*FAST[:4], 2.0 * BUDGET], name="new", first_seed=9)
    candidate = candidate.model_copy(update={"seeds": (early, *candidate.seeds[1:])})
    champion = challenger([*SLOW[:4], 2.0 * BUDGET])
    one = gains_of(candidate, champion, 0.6).time
    late = candidate.model_copy(update={"seeds": (early.model_copy(update={"steps": BUDGET}), *candidate.seeds[1:])})
    assert one.lower == pytest.approx(gains_of(late, champion, 0.6).time.lower)


def test_seeds_fail_that_never_hold_the_threshold_or_end_far_below_it():
    found = challenger([1500, 1500, 1500, 1500, 2.0 * BUDGET], [0.995, 0.99, 0.985, 0.9, 0.995])
    assert failing(found, 0.01) == 2
    assert failing(found, 0.2) == 1


def test_a_failing_seed_of_five_makes_a_faster_candidate_inconclusive():
    one = challenger([*FAST[:4], 2.0 * BUDGET], name="new")
    found = judge(one, challenger(SLOW), RULES)
    assert found.verdict == "inconclusive"
    assert found.failing is not None
    assert (found.failing.candidate, found.failing.champion) == (1, 0)
    assert found.failing.upper == pytest.approx(0.716, abs=1e-3)
    assert "1 of its 5 seeds fail, and 0 of the champion's 5" in found.sentence


@pytest.mark.parametrize("number", [8, 10, 20])
def test_a_candidate_of_which_more_seeds_fail_than_of_the_champion_is_never_promoted(number: int):
    fast = [*[1500.0] * (number - 1), 2.0 * BUDGET]
    assert verdict(challenger(fast, name="new", first_seed=50), challenger([3000.0] * number)) == "inconclusive"
    same = challenger([*[3000.0] * (number - 1), 2.0 * BUDGET])
    assert verdict(challenger(fast, name="new", first_seed=50), same) == "promote"


def test_how_many_seeds_it_takes_to_exclude_failing_ones():
    """The rule's description says as much."""
    for number, share in ((5, 0.53), (10, 0.31), (36, 0.1)):
        sides = [challenger([1500.0] * number, name=name) for name in ("new", "champion")]
        upper = excess_of(sides[0], sides[1], 0.01, 0.95).upper
        assert share - 0.01 < upper <= share
        fast, slow = challenger([1500.0] * number, name="new"), challenger([3000.0] * number)
        assert verdict(fast, slow, failing_margin=share) == "promote"
    assert verdict(challenger(FAST, name="new"), challenger(SLOW), failing_margin=0.1) == "inconclusive"


def test_a_champion_that_fails_as_often_excuses_a_candidate():
    never = [2.0 * BUDGET] * 5
    assert verdict(challenger(never, 0.9, name="new"), challenger(never, 0.7)) == "promote"


def test_fewer_than_five_seeds_are_no_rule_of_the_gate():
    with pytest.raises(ValueError, match="greater than or equal to 5"):
        GateRules(minimum_seeds=4)
    with pytest.raises(InputError, match="minimum_seeds"):
        parse_rules("minimum_seeds=3")


@pytest.mark.parametrize(
    ("factor", "told"),
    [(1.0, "with other seeds, which do not do worse"), (3.0, "something besides the spec has changed")],
)
def test_the_champions_own_experiment_with_other_seeds_is_kept_and_says_whether_it_repeats(factor: float, told: str):
    """A nightly retraining with new seeds learns whether the champion can be repeated."""
    times = [2800.0, 3100.0, 3000.0, 3300.0, 2900.0, 3050.0]
    champion = challenger(times, experiment_id="one")
    other = challenger([time * factor for time in times], name="candidate", experiment_id="one", first_seed=100)
    judgment = judge(other, champion, GateRules())
    assert judgment.verdict == "keep"
    assert told in judgment.sentence
