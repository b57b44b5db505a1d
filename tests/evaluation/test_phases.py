"""The definitions of time to grok on curves drawn by hand."""

from __future__ import annotations

import pytest

from grokcore.evaluation.curves import next_evaluation, phases_of, reached
from grokcore.evaluation.phases import collapsed, first_crossing, onset, stable, sustained
from grokcore.spec import EvaluationSpec

STEPS = [100, 200, 300, 400, 500, 600, 700, 800]


def test_the_first_crossing_may_be_an_early_peak() -> None:
    assert first_crossing([0.5, 0.99, 0.5, 1.0]) == 1
    assert first_crossing([0.5, 0.98]) is None


def test_sustained_skips_a_peak_that_dips() -> None:
    accuracy = [0.5, 0.99, 0.5, 0.99, 0.99, 0.99, 0.99, 0.99]
    assert sustained(accuracy, STEPS) == 3


@pytest.mark.parametrize(("ends", "expected"), [(4, None), (5, None), (6, 3)])
def test_sustained_needs_three_evaluations(ends: int, expected: int | None) -> None:
    accuracy = [0.5, 0.5, 0.5, 0.99, 0.99, 0.99]
    assert sustained(accuracy[:ends], STEPS[:ends]) == expected


def test_sustained_needs_every_evaluation_up_to_a_tenth_later() -> None:
    steps = [1000, 1020, 1040, 1060, 1080, 1100, 1120, 1180]
    assert sustained([1.0] * 5, steps[:5]) is None, "1100 has not been seen yet"
    assert sustained([1.0] * 6, steps[:6]) == 0
    assert sustained([1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0], steps) is None, "1120 holds to 1180 only, not to 1232"


def test_a_share_of_a_sample_reaches_the_threshold_it_equals() -> None:
    assert first_crossing([2970 / 3000]) == 0
    assert first_crossing([2969 / 3000]) is None


def test_stable_is_never_left_again() -> None:
    assert stable([0.5, 0.99, 0.94, 0.99, 0.96, 0.97]) == 3
    assert stable([0.5, 0.99, 0.94]) is None
    assert stable([0.5, 0.99, 0.99]) is None, "two evaluations are too few to judge"
    assert stable([0.96, 0.97, 0.98]) is None, "never reached the threshold"


def test_onset_is_measured_from_memorisation_not_from_the_start() -> None:
    accuracy = [0.1, 0.4, 0.42, 0.43, 0.46, 0.47, 0.48, 0.9]
    assert onset(accuracy, STEPS, 1) == 4
    assert onset(accuracy, STEPS, None) is None, "nothing was memorised"
    assert onset([0.97] * 8, STEPS, 1) is None, "no room for a rise"


def test_a_collapse_needs_more_than_one_bad_evaluation() -> None:
    assert collapsed([1.0, 0.9, 1.0, 0.9, 0.9, 1.0], 0) is None
    assert collapsed([1.0, 1.0, 0.9, 0.9, 0.9, 1.0], 0) == 2
    assert collapsed([0.9, 0.9, 0.9], None) is None


def test_values_that_are_not_finite_reach_nothing() -> None:
    assert first_crossing([None, None]) is None
    assert collapsed([1.0, None, None, None], 0) == 1


def line(step: int, train: float, held_out: float) -> dict[str, object]:
    return {"step": step, "train": {"accuracy": train}, "splits": {"ood": {"accuracy": held_out}}}


def test_phases_of_a_grokking_run() -> None:
    train = [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    ood = [0.3, 0.3, 0.5, 0.6, 0.7, 0.99, 0.99, 0.99]
    lines = [line(*values) for values in zip(STEPS, train, ood, strict=True)]
    assert phases_of(lines, ["ood"], EvaluationSpec()) == {
        "memorized": 200,
        "ood": {"onset": 300, "grokked": 600, "collapsed": None},
    }
    assert reached(lines, "ood", EvaluationSpec()) == {"first_crossing": 5, "sustained": 5, "stable": 5}


def test_evaluations_are_log_spaced_and_at_the_interval() -> None:
    rules = EvaluationSpec(interval=50, growth=2)
    steps, step = [], 0
    while step < 200:
        step = next_evaluation(step, rules)
        steps.append(step)
    assert steps == [1, 2, 4, 8, 16, 32, 50, 64, 100, 128, 150, 200]


def test_the_schedule_does_not_depend_on_where_a_run_was_resumed() -> None:
    rules = EvaluationSpec(interval=1000, growth=1.1)
    due, step = set(), 0
    while step < 5000:
        step = next_evaluation(step, rules)
        due.add(step)
    for start in range(5000):
        assert next_evaluation(start, rules) == min(step for step in due if step > start)
