"""Samples over seeds: estimates against cases worked out by hand, and which runs belong together."""

from __future__ import annotations

from fractions import Fraction

import pytest

from grokcore.evaluation.seeds import (
    Outcome,
    Reached,
    Spread,
    group_key,
    grouped,
    median_time,
    sample_of,
    samples_of,
    survival,
)
from grokcore.spec import load_spec, resolve
from tests.evaluation.made_up import evaluation


def times(text: str) -> list[Reached]:
    """`10 20+` as a time of 10 steps and one censored at 20, in the notation of the field."""
    return [Reached(int(part.rstrip("+")), part.endswith("+")) for part in text.split()]


def test_survival_without_censoring_is_the_share_that_takes_longer() -> None:
    estimate = survival(times("30 10 20 40"))
    assert estimate == [(10, Fraction(3, 4)), (20, Fraction(1, 2)), (30, Fraction(1, 4)), (40, Fraction(0))]


def test_survival_of_a_published_example() -> None:
    """Remission of leukaemia under 6-MP: Freireich et al. 1963, as in Cox and Oakes 1984."""
    sample = times("6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+")
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


def test_a_sample_counts_all_runs_and_keeps_censored_ones() -> None:
    sample = sample_of(
        [
            Outcome(Reached(200), 1.0, "grokked"),
            Outcome(Reached(100), 0.4, "collapsed"),
            Outcome(Reached(300, True), 0.6, "censored"),
            Outcome(Reached(300, True), None, "censored"),
            Outcome(Reached(300, True), 0.5, "censored"),
        ]
    )
    assert sample.runs == 5
    assert sample.verdicts == {"grokked": 1, "collapsed": 1, "censored": 3}
    assert sample.censored == 3
    assert (sample.earliest, sample.median, sample.latest) == (100, Reached(300, True), Reached(300, True))
    assert sample.accuracy == Spread(0.55, 0.4, 1.0)


def test_a_run_that_ended_early_hides_no_later_time() -> None:
    sample = sample_of([Outcome(Reached(50, True), 0.2, "censored"), Outcome(Reached(80), 1.0, "grokked")])
    assert sample.latest == Reached(80)
    assert sample.censored == 1


def test_a_sample_in_which_nothing_was_reached() -> None:
    sample = sample_of([Outcome(Reached(50, True), None, "censored")] * 2)
    assert (sample.earliest, sample.median, sample.accuracy) == (None, Reached(50, True), None)


def test_evaluations_become_samples_of_the_training_set_and_of_each_held_out_split() -> None:
    samples = samples_of([evaluation(300, 1.0), evaluation(None, 0.5), evaluation(None, 0.7)])
    assert list(samples) == ["training set", "test"]
    assert samples["training set"].accuracy == Spread(1.0, 1.0, 1.0)
    assert samples["training set"].verdicts == {}
    assert samples["test"].verdicts == {"grokked": 1, "censored": 2}
    assert samples["test"].median == Reached(900, True)
    assert samples["test"].accuracy == Spread(0.7, 0.5, 1.0)


@pytest.mark.parametrize(
    ("override", "together"),
    [
        ("seed=3", True),
        ("model.seed=3", True),
        ("training.seed=3", True),
        ("training.max_steps=7", True),  # a budget: the run is the same as far as it goes
        ("training.threads=2", True),
        ("task.seed=3", False),
        ("training.weight_decay=.2", False),
        ("model.layers=2", False),
        ("evaluation.threshold=.9", False),
        ("name=other", False),
    ],
)
def test_runs_belong_together_that_differ_in_their_seed_alone(override: str, together: bool) -> None:
    one, other = resolve(load_spec("smoke")), resolve(load_spec("smoke", [override]))
    assert (group_key(one) == group_key(other)) is together


def test_groups_keep_the_order_in_which_they_come() -> None:
    assert grouped(["a0", "b0", "a1", "c0", "b1"], lambda run: run[0]) == [["a0", "a1"], ["b0", "b1"], ["c0"]]
