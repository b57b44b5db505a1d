"""The Kaplan-Meier estimate and what is made of it, against published and hand-worked examples and against scipy."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from grokcore.evaluation.survival import (
    Reached,
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
    assert median_time(sample) == Reached(23)


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
        sample = [Reached(step) for step in range(1, runs // 2 + 1)] + [Reached(999, True)] * (runs // 2)
        assert median_time(sample) == Reached(runs // 2)


def test_the_band_is_scipys_wherever_that_has_one() -> None:
    sample = times(LEUKAEMIA)
    curve = kaplan_meier(sample)
    theirs = stats.ecdf(
        stats.CensoredData(
            uncensored=[time.step for time in sample if not time.censored],
            right=[time.step for time in sample if time.censored],
        )
    ).sf
    band = theirs.confidence_interval(method="log-log")
    places = np.searchsorted(theirs.quantiles, curve.steps)
    assert curve.share == pytest.approx(theirs.probabilities[places])
    assert curve.lower == pytest.approx(band.low.probabilities[places])
    assert curve.upper == pytest.approx(band.high.probabilities[places])


def test_the_band_of_a_published_example() -> None:
    """Kalbfleisch and Prentice's band at 10 weeks, by hand: Greenwood's variance of log S is .01636."""
    curve = kaplan_meier(times(LEUKAEMIA))
    share = 0.8571 * 16 / 17 * 14 / 15
    variance = 3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)
    spread = 1.96 * math.sqrt(variance) / abs(math.log(share))
    place = curve.steps.index(10)
    assert curve.lower[place] == pytest.approx(share ** math.exp(spread), abs=1e-3)
    assert curve.upper[place] == pytest.approx(share ** math.exp(-spread), abs=1e-3)


def test_where_all_have_got_there_the_band_still_says_how_many_they_were() -> None:
    assert kaplan_meier(times("10 10 10")).upper == pytest.approx([1 - 0.025 ** (1 / 3)])
    curve = kaplan_meier(times("10 20 30"))
    assert curve.upper[2] == curve.upper[1] < 1
    assert (curve.share[2], curve.lower[2]) == (0, 0)


def test_a_curve_can_be_read_at_any_step() -> None:
    curve = kaplan_meier(times("10 20 30 40+"))
    assert [curve.at(step) for step in (0, 9, 10, 25, 99)] == pytest.approx([1, 1, 0.75, 0.5, 0.25])
    assert (curve.at_risk, curve.last) == ((4, 3, 2), 40)


def test_the_left_ends_of_intervals_make_an_earlier_curve() -> None:
    sample = [Reached(20, after=10), Reached(40, after=20), Reached(50, censored=True)]
    assert kaplan_meier(sample).steps == (20, 40)
    assert kaplan_meier(sample, end="left").steps == (10, 20)


def test_the_medians_interval_is_where_the_band_crosses_one_half() -> None:
    """6-MP: median 23 weeks, lower limit 13, no upper limit, as every textbook has it."""
    assert median_interval(kaplan_meier(times(LEUKAEMIA))) == (13, None)
    ten = kaplan_meier(times("10 20 30 40 50 60 70 80 90 100"))
    assert ten.lower[0] == pytest.approx(0.473, abs=1e-3)
    assert median_interval(ten) == (10, 80)


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


def test_the_bootstrap_is_the_same_each_time_and_as_wide_as_the_standard_error_says() -> None:
    generator = np.random.default_rng(1)
    sample = [Reached(int(step)) for step in generator.lognormal(6, 0.4, 40)]
    one, again = (restricted_mean(sample, horizon=5000) for _ in range(2))
    assert one == again
    error = np.std([time.step for time in sample]) / math.sqrt(40)
    assert one.lower == pytest.approx(one.steps - 1.96 * error, rel=0.05)
    assert one.upper == pytest.approx(one.steps + 1.96 * error, rel=0.05)


def test_the_bootstrap_resamples_censored_runs_as_the_estimate_itself_would() -> None:
    """Of two runs there are three samples: twice the one, both, twice the other, 1 : 2 : 1."""
    mean = restricted_mean(times("10 30+"), horizon=30, confidence=0.4)
    assert mean.steps == pytest.approx(10 + 0.5 * 20)
    assert (mean.lower, mean.upper) == (20, 20)
    whole = restricted_mean(times("10 30+"), horizon=30)
    assert (whole.lower, whole.upper) == (10, 30)


def test_one_run_has_no_interval_and_wide_evaluations_show_in_the_mean() -> None:
    mean = restricted_mean([Reached(200, after=100)], horizon=300)
    assert (mean.steps, mean.left, mean.lower, mean.upper) == (200, 100, None, None)


def test_the_common_horizon_is_where_a_curve_ends_that_has_not_come_down() -> None:
    assert common_horizon([times("10 20 30"), times("10 50+")]) == 50
    assert common_horizon([times("10 20 30"), times("10 50+"), times("40+")]) == 40
    assert common_horizon([times("10 20 30"), times("10 45")]) == 45
    assert common_horizon([times("30 30+")]) == 30
