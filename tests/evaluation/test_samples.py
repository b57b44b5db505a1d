"""Samples over seeds: what they come to together, and which runs belong together."""

from __future__ import annotations

import pytest

from grokcore.evaluation.samples import Outcome, Spread, sample_of, samples_of
from grokcore.evaluation.survival import EventTime
from grokcore.runs.groups import group_key, grouped
from grokcore.spec import load_spec, resolve
from tests.evaluation.made_up import evaluation


def test_a_sample_counts_all_runs_and_keeps_censored_ones() -> None:
    sample = sample_of(
        [
            Outcome(EventTime(200), 1.0, "grokked"),
            Outcome(EventTime(100), 0.4, "collapsed"),
            Outcome(EventTime(300, True), 0.6, "censored"),
            Outcome(EventTime(300, True), None, "censored"),
            Outcome(EventTime(300, True), 0.5, "censored"),
        ]
    )
    assert sample.runs == 5
    assert sample.verdicts == {"grokked": 1, "collapsed": 1, "censored": 3}
    assert sample.censored == 3
    assert (sample.earliest, sample.median, sample.latest) == (100, EventTime(300, True), EventTime(300, True))
    assert sample.accuracy == Spread(0.55, 0.4, 1.0)


def test_a_run_that_ended_early_hides_no_later_time() -> None:
    sample = sample_of([Outcome(EventTime(50, True), 0.2, "censored"), Outcome(EventTime(80), 1.0, "grokked")])
    assert sample.latest == EventTime(80)
    assert sample.censored == 1


def test_a_sample_in_which_nothing_was_reached() -> None:
    sample = sample_of([Outcome(EventTime(50, True), None, "censored")] * 2)
    assert (sample.earliest, sample.median, sample.accuracy) == (None, EventTime(50, True), None)


def test_evaluations_become_samples_of_the_training_set_and_of_each_held_out_split() -> None:
    samples = samples_of([evaluation(300, 1.0), evaluation(None, 0.5), evaluation(None, 0.7)])
    assert list(samples) == ["training set", "test"]
    assert samples["training set"].accuracy == Spread(1.0, 1.0, 1.0)
    assert samples["training set"].verdicts == {}
    assert samples["test"].verdicts == {"grokked": 1, "censored": 2}
    assert samples["test"].median == EventTime(900, True)
    assert samples["test"].accuracy == Spread(0.7, 0.5, 1.0)


@pytest.mark.parametrize(
    ("override", "together"),
    [
        ("seed=3", True),
        ("model.seed=3", True),
        ("training.seed=3", True),
        ("training.max_steps=7", True),  # a budget: the run is the same as far as it goes
        ("training.threads=2", True),
        ("task.seed=3", True),  # another draw of the data is another repetition
        ("task.values=4", False),
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
