"""The Kaplan-Meier estimate and what is made of it, against published and hand-worked examples and against scipy."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from grokcore.evaluation.survival import (
    EventTime,
    clopper_pearson,
    common_horizon,
    kaplan_meier,
    median_interval,
    median_time,
    restricted_mean,
    survival,
)
from tests.evaluation.survival.notation import times

LEUKAEMIA = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
"""Weeks of remission under 6-MP: Freireich et al. 1963, as in Cox and Oakes 1984."""


def test_survival_without_censoring_is_the_share_that_takes_longer() -> None:
    estimate = survival(times("30 10 20 40"))
    assert estimate == [(10, Fraction(3, 4)), (20, Fraction(1, 2)), (30, Fraction(1, 4)), (40, Fraction(0))]


def test_survival_of_a_published_example() -> None:
    sample = times(LEUKAEMIA)
    estimate = [(step, round(float(share), 4)) for step, share in survival(sample)]
    assert estimate == [
        (6, 0.8571),
        (7, 0.8067),
        (10, 0.7529),
        (13, 0.6902),
        (16, 0.6275),
        (22, 0.5378),
        (23, 0.4482),
    ]
    assert median_time(sample) == EventTime(23)


def test_a_run_that_ends_where_another_gets_there_was_still_to_be_counted() -> None:
    assert survival(times("10 10+ 20")) == [(10, Fraction(2, 3)), (20, Fraction(0))]


@pytest.mark.parametrize(
    ("sample", "median"),
    [
        ("7", "7"),
        ("10 20", "10"),
        ("10 20 30", "20"),
        ("10 10 10 90", "10"),
        ("10 20 30+ 30+", "20"),  # one half have reached it by then
        ("10 30+ 30+ 30+", "30+"),
        ("50+ 50+ 50+", "50+"),
        ("20+ 50+ 40+", "50+"),  # all that is known is that half the runs take longer than some 50 steps
        ("5+ 10 20 30", "20"),  # who left at 5 is no longer at risk: 2/3 at 10, 1/3 at 20
        ("10 20+ 30 40", "30"),  # 3/4 at 10, then 1/2 of that at 30, of the two that are left
        ("10 15+ 15+ 15+ 40", "40"),
        ("10 60+ 60+ 90", "90"),
    ],
)
def test_medians_by_hand(sample: str, median: str) -> None:
    (expected,) = times(median)
    assert median_time(times(sample)) == expected
    assert median_time(times(sample)[::-1]) == expected


def test_an_exact_half_is_no_rounding_error() -> None:
    """Products of sixths, sevenths and so on miss 1/2 in floating point."""
    for runs in range(2, 60, 2):
        sample = [EventTime(step) for step in range(1, runs // 2 + 1)] + [EventTime(999, True)] * (runs // 2)
        assert median_time(sample) == EventTime(runs // 2)


def test_the_band_is_clopper_and_pearsons_where_no_run_ended_early() -> None:
    """Limits of 3, 2 and 1 of 4, as scipy has them."""
    curve = kaplan_meier(times("10 20 30 50+"))
    for place, later in enumerate((3, 2, 1)):
        exact = stats.binomtest(later, 4).proportion_ci(0.95, "exact")
        assert (curve.lower[place], curve.upper[place]) == pytest.approx((exact.low, exact.high))
    assert curve.lowest == pytest.approx(0.025 ** (1 / 4)), "before any of 4 got there"


def test_the_band_allows_for_runs_that_ended_early_to_have_got_there_at_once_or_never() -> None:
    curve = kaplan_meier(times("10 20+ 30 40"))
    assert curve.steps == (10, 30, 40)
    assert curve.lower[0] == pytest.approx(clopper_pearson(2, 4)[0]), (
        "from 20 to 30 two runs have not got there for sure"
    )
    assert curve.upper[0] == pytest.approx(clopper_pearson(3, 4)[1])
    assert curve.upper[2] == pytest.approx(clopper_pearson(1, 4)[1])


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=12))
def test_the_estimate_lies_in_its_band_and_the_median_in_its_limits(found: list[tuple[int, bool]]) -> None:
    sample = [EventTime(step, censored) for step, censored in found]
    curve = kaplan_meier(sample)
    assert all(low <= share <= high for low, share, high in zip(curve.lower, curve.share, curve.upper, strict=True))
    low, high = median_interval(sample)
    middle = median_time(sample)
    assert low is None or low <= middle.step
    assert high is None or (not middle.censored and middle.step <= high)


def test_where_all_have_got_there_the_band_still_says_how_many_they_were() -> None:
    assert kaplan_meier(times("10 10 10")).upper == pytest.approx([1 - 0.025 ** (1 / 3)])
    curve = kaplan_meier(times("10 20 30"))
    assert curve.upper[2] == pytest.approx(1 - 0.025 ** (1 / 3))
    assert (curve.share[2], curve.lower[2]) == (0, 0)


def test_a_curve_can_be_read_at_any_step() -> None:
    curve = kaplan_meier(times("10 20 30 40+"))
    assert [curve.at(step) for step in (0, 9, 10, 25, 99)] == pytest.approx([1, 1, 0.75, 0.5, 0.25])
    assert (curve.at_risk, curve.last) == ((4, 3, 2), 40)


def test_the_left_ends_of_intervals_make_an_earlier_curve() -> None:
    sample = [EventTime(20, after=10), EventTime(40, after=20), EventTime(50, censored=True)]
    assert kaplan_meier(sample).steps == (20, 40)
    assert kaplan_meier(sample, end="left").steps == (10, 20)


def test_the_medians_interval_is_that_of_order_statistics() -> None:
    """Of ten values the 2nd and the 9th, of twenty the 6th and the 15th, as tables of the sign test have it."""
    assert median_interval(times("10 20 30 40 50 60 70 80 90 100")) == (20, 90)
    assert median_interval([EventTime(step) for step in range(1, 21)]) == (6, 15)
    assert median_interval(times("10 20 30 40 50 60")) == (10, 60)
    assert median_interval(times("10 20 30 40 50 60+")) == (10, None)
    assert median_interval(times("60+ 60+ 60+ 60+ 60+ 60+")) == (60, None), "at least as long as all were followed"


def test_fewer_than_six_runs_set_no_limits() -> None:
    for sample in ("10 20 30 40 50", "10 20 30", "90+ 90+ 90+", "10"):
        assert median_interval(times(sample)) == (None, None)
        mean = restricted_mean(times(sample), horizon=90)
        assert (mean.lower, mean.upper) == (None, None)


def test_a_change_may_have_come_anywhere_between_two_evaluations() -> None:
    sample = [EventTime(200, after=100)] * 6
    assert median_interval(sample) == (100, 200)
    mean = restricted_mean(sample, horizon=1000)
    assert mean.lower is not None
    assert mean.lower <= 100
    assert mean.upper is not None
    assert mean.upper >= 200


def test_a_run_that_ended_early_may_have_got_there_at_once_or_never() -> None:
    assert median_interval(times("5+ 10 20 30 40 50")) == (5, None)


def test_the_restricted_mean_without_censoring_is_the_mean() -> None:
    mean = restricted_mean(times("10 20 30 100"), horizon=50)
    assert mean.steps == pytest.approx((10 + 20 + 30 + 50) / 4)
    assert mean.horizon == 50


def test_the_restricted_mean_of_a_published_example() -> None:
    """6-MP up to 35 weeks: the area below the steps of the published estimate."""
    curve = [(6, 0.8571), (7, 0.8067), (10, 0.7529), (13, 0.6902), (16, 0.6275), (22, 0.5378), (23, 0.4482), (35, 0)]
    expected, before, height = 0.0, 0, 1.0
    for step, share in curve:
        expected += height * (step - before)
        before, height = step, share
    assert restricted_mean(times(LEUKAEMIA), horizon=35).steps == pytest.approx(expected, abs=0.01)


def test_the_limits_of_the_mean_are_areas_below_the_band_of_kolmogorov_and_smirnov() -> None:
    """Of ten runs the band is .409 wide on either side (Miller 1956); none is counted beyond the horizon."""
    sample = [EventTime(step) for step in range(100, 1100, 100)]
    mean = restricted_mean(sample, horizon=2000)
    stairs = [1 - place / 10 for place in range(11)]
    widths = [100] * 10 + [1000]
    assert mean.lower == pytest.approx(
        sum(w * max(0, s - 0.40925) for w, s in zip(widths, stairs, strict=True)), rel=1e-3
    )
    assert mean.upper == pytest.approx(
        sum(w * min(1, s + 0.40925) for w, s in zip(widths, stairs, strict=True)), rel=1e-3
    )


def test_the_mean_of_runs_that_never_got_there_has_no_limits() -> None:
    mean = restricted_mean(times("3500+ 3500+ 3500+ 3500+ 3500+ 3500+"), horizon=3500)
    assert (mean.steps, mean.lower, mean.upper) == (3500, None, None)


def test_one_run_has_no_interval_and_wide_evaluations_show_in_the_mean() -> None:
    mean = restricted_mean([EventTime(200, after=100)], horizon=300)
    assert (mean.steps, mean.left, mean.lower, mean.upper) == (200, 100, None, None)


def test_the_common_horizon_is_where_a_curve_ends_that_has_not_come_down() -> None:
    assert common_horizon([times("10 20 30"), times("10 50+")]) == 50
    assert common_horizon([times("10 20 30"), times("10 50+"), times("40+")]) == 40
    assert common_horizon([times("10 20 30"), times("10 45")]) == 45
    assert common_horizon([times("30 30+")]) == 30
