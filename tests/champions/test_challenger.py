"""From evaluated runs to what the gate sees of them."""

from __future__ import annotations

from typing import Any

import pytest

from grokcore.champions import challenger_of, judged_split, parse_rules, rules_text, summary_of, uris_of
from grokcore.champions.challenger import task_id
from grokcore.errors import InputError
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec
from tests.reporting.made_up_groups import IID, OOD, run_of


def changed(run: RunRecord, **changes: Any) -> RunRecord:
    evaluation = run.evaluation.model_copy(update=changes)
    return RunRecord(run.uri, run.spec, run.manifest, run.journal, evaluation)


def test_each_seed_brings_its_time_and_its_accuracy():
    runs = [run_of("seed=1", ood=1200), run_of("seed=0", ood=None)]
    made = challenger_of(runs, OOD)
    assert [seed.seed for seed in made.seeds] == [0, 1]
    assert [seed.reached for seed in made.seeds] == [False, True]
    assert made.seeds[0].steps == 2000
    time = runs[0].evaluation.held_out[OOD].sustained
    assert time is not None
    assert (made.seeds[1].steps, made.seeds[1].after) == (time.steps, time.after)
    assert made.seeds[1].accuracy == 1.0
    assert all(seed.ended and seed.finite for seed in made.seeds)
    assert uris_of(runs) == (runs[1].uri, runs[0].uri)
    assert uris_of(runs, {runs[0].spec.run_id: "s3://elsewhere"})[1] == "s3://elsewhere"
    summary = summary_of(made)
    assert (summary.reached, summary.seeds, summary.median_steps) == (1, 2, time.steps)


def test_a_diverged_run_is_not_finite_and_counts_to_its_budget():
    run = run_of(ood=None, exit_reason="diverged")
    [seed] = challenger_of([run], OOD).seeds
    assert not seed.finite
    assert seed.steps == run.spec.training.max_steps


@pytest.mark.parametrize("where", ["accuracy", "loss"])
def test_a_final_number_that_is_none_makes_a_run_not_finite(where: str):
    run = run_of()
    split = run.evaluation.splits[OOD].model_copy(update={where: None})
    [seed] = challenger_of([changed(run, splits={**run.evaluation.splits, OOD: split})], OOD).seeds
    assert not seed.finite
    pooled = run.evaluation.train.model_copy(update={where: None})
    [seed] = challenger_of([changed(run, train=pooled)], OOD).seeds
    assert not seed.finite


@pytest.mark.parametrize("reason", [None, "stopped"])
def test_a_run_that_was_cut_short_has_not_ended(reason: str | None):
    [seed] = challenger_of([changed(run_of(), exit_reason=reason)], OOD).seeds
    assert not seed.ended


def test_runs_that_differ_in_more_than_their_seed_are_no_candidate():
    with pytest.raises(InputError, match="more than its seed"):
        challenger_of([run_of("seed=0"), run_of("seed=1", "training.weight_decay=0.5")], OOD)


def test_a_split_that_a_run_has_not_is_one_line():
    with pytest.raises(InputError, match=f"its held-out splits are {IID}, {OOD}"):
        challenger_of([run_of()], "test")
    with pytest.raises(InputError, match="no run"):
        challenger_of([], OOD)


def test_other_data_of_the_same_task_can_be_compared_and_another_task_cannot():
    one = load_spec("smoke")
    assert task_id(one) == task_id(load_spec("smoke", ["task.seed=7"]))
    assert task_id(one) != task_id(load_spec("smoke", ["task.values=4"]))


def test_rules_are_read_from_text_and_from_json():
    rules = parse_rules("confidence=0.9 minimum_seeds=8 split=test")
    assert (rules.confidence, rules.minimum_seeds, rules.split) == (0.9, 8, "test")
    assert parse_rules(rules_text(rules)) == rules
    assert parse_rules("").minimum_seeds == 5


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("confidence=1.5", "confidence"),
        ("confidenze=0.9", "confidenze"),
        ("minimum_seeds=1", "minimum_seeds"),
        ("accuracy_margin=.nan", "accuracy_margin"),
        ("confidence", "confidence"),
        ("{", "gate"),
        ('"', "overrides"),
    ],
)
def test_wrong_rules_are_one_line_that_names_them(text: str, named: str):
    with pytest.raises(InputError) as error:
        parse_rules(text)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_the_judged_split_is_the_last_of_the_task_unless_named():
    assert judged_split(parse_rules(""), load_spec("demo")) == OOD
    assert judged_split(parse_rules(f"split={IID}"), load_spec("demo")) == IID
    with pytest.raises(InputError, match=f"allowed are {IID}, {OOD}"):
        judged_split(parse_rules("split=test"), load_spec("demo"))
