"""The definitions of time to grok on curves drawn by hand."""

from __future__ import annotations

import math
import time

import pytest

from grokcore.errors import InputError
from grokcore.evaluation.phases import (
    collapsed,
    crossings,
    evidence,
    first_crossing,
    next_evaluation,
    onset,
    phases_of,
    stable,
    sustained,
)
from grokcore.spec import EvaluationSpec, ExperimentSpec, TrainingSpec, load_spec

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


def test_onset_is_measured_from_memorization_not_from_the_start() -> None:
    accuracy = [0.1, 0.4, 0.42, 0.43, 0.46, 0.47, 0.48, 0.9]
    assert onset(accuracy, STEPS, 1) == 4
    assert onset(accuracy, STEPS, None) is None, "nothing was memorized"
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
    assert phases_of(lines, ["ood"], ExperimentSpec()) == {
        "memorized": 200,
        "ood": {"onset": 300, "sustained": 600, "collapsed": None},
    }
    seen = evidence(lines, TrainingSpec())
    assert crossings(seen, "ood", EvaluationSpec()) == {
        "first_crossing": 5,
        "sustained": 5,
        "stable": 5,
    }


def test_stable_may_come_before_sustained() -> None:
    accuracy = [0.5, 0.5, 0.97, 0.99, 0.98, 0.99, 0.99, 0.99]
    assert (first_crossing(accuracy), stable(accuracy), sustained(accuracy, STEPS)) == (3, 3, 5)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.95, 0.97, 1.0])
def test_a_curve_that_only_rises_never_collapses(threshold: float) -> None:
    spec = ExperimentSpec(evaluation=EvaluationSpec(threshold=threshold))
    rising = [0.4, threshold, *(threshold + (1 - threshold) * part / 10 for part in range(1, 11))]
    lines = [line(100 * (number + 1), 1.0, value) for number, value in enumerate(rising)]
    assert phases_of(lines, ["ood"], spec)["ood"] == {"onset": 200, "sustained": 200, "collapsed": None}


def test_a_collapse_from_a_low_threshold_is_a_fall_below_it() -> None:
    spec = ExperimentSpec(evaluation=EvaluationSpec(threshold=0.9))
    curve = [0.4, 0.92, 0.93, 0.94, 0.93, 0.8, 0.8, 0.8]
    lines = [line(step, 1.0, value) for step, value in zip(STEPS, curve, strict=True)]
    assert phases_of(lines, ["ood"], spec)["ood"]["collapsed"] == 600


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


@pytest.mark.parametrize("growth", [1.001, 1.01, 1.1, 1.2, 1.25, 1.5, 2.0, 10.0])
def test_the_next_evaluation_is_the_first_power_beyond_the_step(growth: float) -> None:
    def naive(step: int) -> int:
        power = 1.0
        while math.ceil(power) <= step:
            power *= growth
        return min(math.ceil(power), (step // 10**9 + 1) * 10**9)

    rules = EvaluationSpec(interval=10**9, growth=growth)
    for step in (*range(200), 10**3, 12_345, 10**6, 10**8 + 1):
        assert next_evaluation(step, rules) == naive(step)


def test_no_growth_keeps_a_run_from_its_next_evaluation() -> None:
    begin = time.process_time()
    for step in (0, 10**6, 2**53):
        assert next_evaluation(step, EvaluationSpec(interval=2**53, growth=1.001)) > step
    assert time.process_time() - begin < 1
    for growth in ("1.0000000001", "1", "1.0009"):
        with pytest.raises(InputError, match=r"evaluation.growth: .*greater than or equal to 1.001"):
            load_spec("smoke", [f"evaluation.growth={growth}"])
