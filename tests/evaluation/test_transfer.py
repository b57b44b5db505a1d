"""Gains over step 0, and limits of the difference between two starts that cover it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from grokcore.evaluation.transfer import Gain, gain_of, shift_between
from grokcore.spec import load_spec
from tests.evaluation.made_up import Rise, record


def test_a_gain_is_what_came_on_top_of_step_0() -> None:
    assert Gain((0.125, 0.25), (0.0, 0.25), (0.5, 0.75)).gained == (0.375, 0.5)


def test_runs_without_the_split_have_no_gain() -> None:
    run = record(load_spec("demo", ["training.max_steps=200"]), Rise(10), {"test_inferred_ood": Rise(100)})
    assert gain_of([run], "old_new") == Gain((), (), ())
    assert gain_of([run], "test_inferred_ood").after == (1.0,)


def test_limits_are_those_that_the_exact_test_does_not_reject() -> None:
    """Of 252 orders of 5 and 5 values, 4 have a statistic below 3, and 7 one below 4: 1.6 % and 2.8 %."""
    statistics = [
        sum(i > j for i in chosen for j in range(10) if j not in chosen) for chosen in combinations(range(10), 5)
    ]
    assert [sum(one < limit for one in statistics) for limit in (3, 4)] == [4, 7]
    values, reference = [10.0, 11.0, 12.5, 14.0, 20.0], [0.0, 0.25, 1.0, 3.0, 7.0]
    differences = sorted(one - other for one in values for other in reference)
    shift = shift_between(values, reference)
    assert (shift.lower, shift.estimate, shift.upper) == (differences[2], differences[12], differences[-3])


def test_few_seeds_set_no_limits() -> None:
    shift = shift_between([0.5, 0.75, 1.0], [0.25, 0.25, 0.5])
    assert (shift.estimate, shift.lower, shift.upper) == (0.5, None, None)


@pytest.mark.parametrize("examples", [500, 20])
def test_limits_cover_the_true_shift(examples: int) -> None:
    """Accuracies of five seeds: normal among seeds, binomial over the examples of a split, with ties."""
    random, trials, covered = np.random.default_rng(0), 2000, 0
    for _ in range(trials):
        probability = np.clip(random.normal(0.5, 0.08, (2, 5)), 0, 1)
        first, second = random.binomial(examples, probability) / examples + np.array([[0.3], [0.0]])
        shift = shift_between(first.tolist(), second.tolist())
        assert shift.lower is not None
        assert shift.upper is not None
        covered += shift.lower - 1e-9 <= 0.3 <= shift.upper + 1e-9
    assert covered / trials >= 0.95
