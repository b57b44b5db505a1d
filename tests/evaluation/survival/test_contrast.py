"""Two groups, doses and pairs: exact p values against brute force, and ratios against what they were made with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from grokcore.evaluation.survival import (
    EventTime,
    Observation,
    compare,
    compare_pairs,
    delay_of,
    effect_of,
    logrank,
    pairs_of,
)
from grokcore.evaluation.survival.permutation import log_rank_scores
from grokcore.spec import load_spec
from tests.evaluation.made_up import Rise, record
from tests.evaluation.survival.notation import times

LEUKAEMIA = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def side(text: str, setting: float, followed: int = 1000) -> list[Observation]:
    return [Observation(setting, time, followed) for time in times(text)]


def test_the_log_rank_test_of_a_published_example() -> None:
    """Freireich et al. 1963: chi-square 16.79 on one degree of freedom, as in Cox and Oakes 1984."""
    p = logrank(times(LEUKAEMIA), times(PLACEBO))
    assert stats.chi2.isf(p, 1) == pytest.approx(16.79, abs=0.01)


def test_scores_add_up_to_observed_minus_expected() -> None:
    """Of the same example: 9 relapses under 6-MP where 19.25 were expected."""
    sample = [*times(LEUKAEMIA), *times(PLACEBO)]
    steps = np.array([float(time.step) for time in sample])
    (scores,) = log_rank_scores(steps[:, None], np.array([[not time.censored] for time in sample])).T
    assert scores[:21].sum() == pytest.approx(9 - 19.25, abs=0.005)
    assert scores.sum() == pytest.approx(0)


def brute_force(first: Sequence[EventTime], second: Sequence[EventTime]) -> float:
    """Every choice of as many runs for the first group, each with its own log-rank statistic."""
    sample = [*first, *second]

    def observed_minus_expected(group: Sequence[int]) -> float:
        total = 0.0
        for step in {time.step for time in sample if not time.censored}:
            at_risk = [place for place, time in enumerate(sample) if time.step >= step]
            here = [place for place in at_risk if sample[place].step == step and not sample[place].censored]
            total += len(set(here) & set(group)) - len(here) * len(set(at_risk) & set(group)) / len(at_risk)
        return abs(total)

    there = observed_minus_expected(range(len(first)))
    choices = list(itertools.combinations(range(len(sample)), len(first)))
    return float(np.mean([observed_minus_expected(choice) >= there - 1e-9 for choice in choices]))


@pytest.mark.parametrize(
    ("first", "second"),
    [("10 20 30", "40 50 60"), ("10 20 20 90+", "15 20 70 90+ 90+"), ("10 90+", "20 20 90+"), ("5 6 7 8", "6 7 8 9")],
)
def test_the_exact_p_is_that_of_brute_force(first: str, second: str) -> None:
    expected = brute_force(times(first), times(second))
    effect = effect_of([[*side(first, 0, 90), *side(second, 1, 90)]])
    assert effect.exact
    assert effect.p == pytest.approx(expected)


def test_three_against_three_prove_nothing_however_far_apart() -> None:
    effect = effect_of([[*side("1 2 3", 0), *side("700 800 900", 1)]])
    assert effect.p == effect.least == pytest.approx(0.1)
    assert (effect.lower, effect.upper) == (None, None)
    assert logrank(times("1 2 3"), times("700 800 900")) < 0.05, "the usual approximation would have promised"


def test_the_ratio_of_times_is_found_and_so_is_its_interval() -> None:
    first = "100 110 120 130 140"
    second = " ".join(str(3 * int(step)) for step in first.split())
    effect = effect_of([[*side(first, 0), *side(second, 1)]])
    assert effect.ratio == pytest.approx(3, rel=0.05)
    assert effect.lower is not None
    assert effect.upper is not None
    assert 2 < effect.lower < 3 < effect.upper < 4.2


def test_a_group_that_never_gets_there_is_later_by_what_its_budget_allows_to_say() -> None:
    effect = effect_of([[*side("100 100 100 100 100", 0), *side("1000+ 1000+ 1000+ 1000+ 1000+", 1)]])
    assert effect.ratio is None
    assert effect.lower == pytest.approx(10, rel=0.01)
    assert effect.upper is None


def test_what_is_known_beyond_the_shorter_budget_does_not_count() -> None:
    """The second group was stopped early: that it got nowhere until then is no evidence."""
    effect = effect_of([[*side("500 600 700 800", 0), *side("50+ 50+ 50+ 50+", 1, followed=50)]])
    assert effect.p == 1
    assert effect.upper is None
    assert effect.lower == pytest.approx(50 / 800, rel=0.01), "all that it tells: it is not that much faster"


def test_a_longer_budget_alone_makes_no_difference() -> None:
    """Up to step 50 both are alike; what the first group did in the time that the second never had is no evidence."""
    second = side("45 50+ 50+ 50+", 1, followed=50)
    alike = effect_of([[*side("45 50+ 50+ 50+", 0, followed=50), *second]])
    longer = effect_of([[*side("45 60 70 80", 0), *second]])
    assert longer.p == alike.p == 1
    assert (
        effect_of([[*side("20 30 60 70 80", 0), *second]]).p
        == effect_of([[*side("20 30 50+ 50+ 50+", 0, followed=50), *second]]).p
    )


def test_a_dose_is_compared_with_all_others_and_counts_by_its_size() -> None:
    doses = [*side("100 110 120", 0), *side("200 220 240", 1), *side("400 440 480", 2)]
    effect = effect_of([doses])
    assert effect.p < 0.01, "three seeds of three doses say more than three seeds of two"
    assert effect.ratio == pytest.approx(4, rel=0.1)


def test_strata_are_compared_within_themselves() -> None:
    """A hard task and an easy one: pooled without strata the setting would seem to matter."""
    easy, hard = "10 11 12 13", "1000 1001 1002 1003"
    mixed = [
        [*side("10 11 12 13 10 12", 0, 5000), *side("11 12", 1, 5000)],
        [*side("1000 1002", 0, 5000), *side(f"{hard} 1001 1002", 1, 5000)],
    ]
    assert effect_of(mixed).p > 0.3
    assert effect_of([[run for stratum in mixed for run in stratum]]).p < 0.15
    both = [[*side(easy, 0), *side("30 33 36 39", 1)], [*side("100 110 120", 0), *side("300 330 360", 1)]]
    assert effect_of(both).p < effect_of(both[:1]).p


def test_many_runs_are_judged_by_a_sample_of_exchanges_that_is_always_the_same() -> None:
    first, second = (" ".join(str(start + 7 * step) for step in range(12)) for start in (100, 130))
    strata = [[*side(first, 0), *side(second, 1)]]
    one = effect_of(strata)
    assert not one.exact
    assert one == effect_of(strata)
    assert 1e-4 < one.p < 0.2


def test_how_much_depends_on_when_runs_were_evaluated_is_told() -> None:
    """Evaluated so rarely that either group could have been first."""
    first = [Observation(0, EventTime(200, after=100), 999)] * 4
    second = [Observation(1, EventTime(220, after=100), 999)] * 4
    effect = effect_of([[*first, *second]])
    assert effect.p == pytest.approx(2 / 70)
    assert effect.p_left == 1
    assert effect.p_worst == 1
    assert effect.lower is not None
    assert effect.lower <= 1.001


def test_the_exact_test_errs_as_often_as_it_says() -> None:
    """Under the null: 5 against 5, half of them censored, 400 times."""
    generator = np.random.default_rng(0)
    wrong = approximate = 0
    for _ in range(400):
        steps = np.ceil(generator.lognormal(6, 0.5, 10)).astype(int)
        known = [EventTime(int(step)) if step < 420 else EventTime(420, censored=True) for step in steps]
        sample = [Observation(float(place >= 5), time, 420) for place, time in enumerate(known)]
        from grokcore.evaluation.survival.contrast import _sample
        from grokcore.evaluation.survival.permutation import PermutationTest

        wrong += PermutationTest([_sample(sample, "right", "right")]).p() < 0.05
        p = logrank(known[:5], known[5:])
        approximate += p is not None and p < 0.05
    assert wrong <= 400 * 0.05 + 2 * math.sqrt(400 * 0.05 * 0.95)
    assert wrong > 0


def spec(seed: int, **changes: object):  # type: ignore[no-untyped-def]
    overrides = [f"{name.replace('__', '.')}={value}" for name, value in changes.items()]
    return load_spec("smoke", ["training.precision=fp32", "training.max_steps=60", f"seed={seed}", *overrides])


def run(seed: int, at: float | None, train: float = 5, **changes: object):  # type: ignore[no-untyped-def]
    return record(spec(seed, **changes), Rise(train), {"test_inferred_ood": Rise(at)})


def test_groups_of_runs_are_compared_up_to_the_shorter_budget() -> None:
    first = [run(seed, 20) for seed in range(4)]
    second = [run(seed, None, training__weight_decay=0, training__max_steps=40) for seed in range(4)]
    contrast = compare(first, second, "test_inferred_ood")
    assert contrast is not None
    assert (contrast.runs, contrast.reached, contrast.horizon) == ((4, 4), (4, 0), 40)
    assert contrast.effect.p == pytest.approx(2 / 70)
    assert contrast.effect.lower is not None
    assert contrast.effect.lower > 1
    nobody = compare(second, second, "test_inferred_ood")
    assert nobody is not None
    assert nobody.logrank is None


def test_a_diverged_run_counts_as_one_that_trained_on_in_vain() -> None:
    lost = record(spec(0, training__max_steps=100), Rise(5), {"test_inferred_ood": Rise(None)}, exit_reason="diverged")
    short = type(lost)(lost.uri, lost.spec, lost.manifest, lost.journal[:5], lost.evaluation.model_copy(
        update={"censored_at": 8}
    ))  # fmt: skip
    from grokcore.evaluation.survival import times_of

    assert times_of([short], "test_inferred_ood") == [EventTime(100, censored=True)]


def test_pairs_that_share_a_seed_decide_what_is_certain() -> None:
    pairs = [
        (EventTime(20, after=10), EventTime(50, after=40)),  # later for certain
        (EventTime(20, after=10), EventTime(60, censored=True)),  # later, by how much is open
        (EventTime(20, after=10), EventTime(20, after=10)),  # undecided
        (EventTime(60, censored=True), EventTime(60, censored=True)),  # undecided
        (EventTime(40, after=30), EventTime(20, after=10)),  # earlier
    ]
    paired = pairs_of(pairs, seeds=(0, 1, 2, 3, 4))
    assert (paired.second_later, paired.first_later, paired.undecided) == (2, 1, 2)
    assert paired.sign == 1.0
    assert paired.ratio_low == pytest.approx(10 / 20)
    assert paired.ratio_high == pytest.approx(50 / 10)


def test_what_a_run_can_do_from_the_start_counts_as_done_at_the_first_step() -> None:
    """A run that starts from another may reach a split at step 0, of which there is no ratio."""
    paired = pairs_of([(EventTime(20, after=10), EventTime(0, after=None))] * 5, seeds=(0, 1, 2, 3, 4))
    assert (paired.first_later, paired.second_later) == (5, 0)
    assert paired.ratio_high == pytest.approx(1 / 10)
    assert paired.exchange == paired.sign == pytest.approx(2 / 32)
    back = pairs_of([(EventTime(0, after=None), EventTime(20, after=10))] * 5, seeds=(0, 1, 2, 3, 4))
    assert back.ratio_low == pytest.approx(10)


def test_pairs_are_exchanged_within_themselves() -> None:
    pairs = [
        (EventTime(10 * seed, after=10 * seed - 1), EventTime(20 * seed, after=20 * seed - 1)) for seed in range(1, 7)
    ]
    paired = pairs_of(pairs, seeds=tuple(range(6)))
    assert paired.sign == paired.exchange == pytest.approx(2 / 64)
    assert paired.ratio_low == pytest.approx(2, rel=0.05)
    assert paired.ratio_high == pytest.approx(2, rel=0.1)


def test_only_seeds_that_both_groups_have_are_paired() -> None:
    first = [run(seed, 20) for seed in range(3)]
    second = [run(seed, 50, model__width=64) for seed in (1, 2, 5)]
    paired = compare_pairs(first, second, "test_inferred_ood")
    assert paired is not None
    assert paired.seeds == (1, 2)
    assert paired.second_later == 2
    assert compare_pairs(first[:1], second, "test_inferred_ood") is None


def test_pairs_share_the_draw_of_the_data_too() -> None:
    first = [run(seed, 20, task__seed=draw) for draw in (0, 1) for seed in range(2)]
    second = [run(seed, 50, task__seed=draw, model__width=64) for draw in (1, 2) for seed in range(2)]
    paired = compare_pairs(first, second, "test_inferred_ood")
    assert paired is not None
    assert paired.seeds == (0, 1)
    assert compare_pairs(first[:2], second, "test_inferred_ood") is None


def test_groups_are_compared_within_draws_of_the_data() -> None:
    """An easy draw and a hard one: whichever group had more runs of the easy one would seem the faster."""
    first = [run(seed, 12 + seed, task__seed=0) for seed in range(4)] + [run(0, 50, task__seed=1)]
    second = [run(0, 12, task__seed=0, model__width=64)]
    second += [run(seed, 47 + seed, task__seed=1, model__width=64) for seed in range(4)]
    contrast = compare(first, second, "test_inferred_ood")
    assert contrast is not None
    assert (contrast.draws, contrast.runs, contrast.logrank) == (2, (5, 5), None)
    assert contrast.effect.least == pytest.approx(1 / 25), "five places for the one run, in each draw"
    assert contrast.effect.p > 0.1


def test_runs_with_a_draw_each_are_compared_all_together() -> None:
    first = [run(0, 20, task__seed=draw) for draw in range(4)]
    second = [run(0, 50, task__seed=draw, model__width=64) for draw in range(4)]
    contrast = compare(first, second, "test_inferred_ood")
    assert contrast is not None
    assert contrast.draws == 0
    assert contrast.effect.p == pytest.approx(2 / 70)


def test_groups_on_different_draws_with_several_runs_each_cannot_be_compared() -> None:
    first = [run(seed, 20, task__seed=0) for seed in range(4)]
    second = [run(seed, 50, task__seed=1, model__width=64) for seed in range(4)]
    assert compare(first, second, "test_inferred_ood") is None


def test_delays_are_ratios_to_the_training_sets_time_and_keep_what_is_censored() -> None:
    delay = delay_of([run(0, 20), run(1, 30), run(2, None)], "test_inferred_ood")
    assert (delay.runs, delay.reached, delay.censored) == (3, 2, False)
    assert delay.lowest is not None
    assert delay.lowest == pytest.approx(20 / 5, rel=0.35)
    assert delay.median is not None
    assert delay.median == pytest.approx(30 / 5, rel=0.35)
    nothing = delay_of([record(spec(0), Rise(None), {})], "test_inferred_ood")
    assert (nothing.median, nothing.runs) == (None, 0)
