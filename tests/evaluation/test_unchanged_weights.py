"""Evaluations of weights that no step has changed confirm nothing, and end what is known of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.errors import InputError
from grokcore.evaluation.behavior import behavior_of
from grokcore.evaluation.phases import evidence, phases_of
from grokcore.evaluation.records import read_record
from grokcore.evaluation.survival import EventTime, follow_up, potential, times_of
from grokcore.runs import read_journal
from grokcore.spec import ExperimentSpec, TrainingSpec, load_spec
from tests.evaluation.made_up import Rise, record, write

OOD = "test_inferred_ood"


def ending_at(end: int, *overrides: str) -> ExperimentSpec:
    """A run of 100 steps, evaluated at every fifth, whose learning rate is 0 from the step `end` on."""
    schedule = ["training.schedule=linear", f"training.schedule_steps={end}", "training.warmup_steps=0"]
    return load_spec("smoke", [*schedule, "training.max_steps=100", "evaluation={interval: 5, growth: 10}", *overrides])


def at_last(step: int) -> float:
    """Right in all it is asked from step 55 on."""
    return 1.0 if step >= 55 else 0.5


def test_a_frozen_tail_does_not_sustain_what_was_right_at_its_beginning() -> None:
    run = record(ending_at(60), Rise(5), {OOD: at_last})
    assert run.evaluation.held_out[OOD].first_crossing is not None
    assert run.evaluation.held_out[OOD].sustained is None
    assert run.evaluation.held_out[OOD].stable is None
    assert run.evaluation.held_out[OOD].verdict == "censored"
    assert run.journal[-1]["phases"][OOD] == {"onset": None, "sustained": None, "collapsed": None}
    trained_on = record(ending_at(100), Rise(5), {OOD: at_last}).evaluation.held_out[OOD]
    assert trained_on.sustained is not None
    assert trained_on.sustained.steps == 55


def test_a_floor_keeps_weights_changing() -> None:
    run = record(ending_at(60, "training.schedule_floor=.01"), Rise(5), {OOD: at_last})
    assert run.evaluation.held_out[OOD].sustained is not None
    assert run.evaluation.censored_at == 100


def test_a_frozen_tail_does_not_confirm_a_collapse_a_dip_or_instability() -> None:
    def lost_at_the_end(step: int) -> float:
        return 0.4 if step < 20 else 1.0 if step < 60 else 0.6

    run = record(ending_at(60), Rise(5), {OOD: lost_at_the_end})
    assert run.evaluation.held_out[OOD].verdict == "grokked"
    assert run.evaluation.held_out[OOD].collapsed is None
    assert not behavior_of(run, OOD).unstable

    def dips_at_the_end(step: int) -> float:
        return 0.4 if step < 40 else 0.8 if step < 60 else 0.7

    peaked = record(ending_at(60), Rise(50), {OOD: dips_at_the_end})
    assert behavior_of(peaked, OOD).peak is None
    seen = record(ending_at(100), Rise(50), {OOD: dips_at_the_end})
    assert behavior_of(seen, OOD).peak is not None


@pytest.mark.parametrize(("end", "behind"), [(60, 60), (58, 58), (61, 61), (100, 100), (300, 100)])
def test_follow_up_ends_where_the_rate_does(end: int, behind: int) -> None:
    run = record(ending_at(end), Rise(5), {OOD: Rise(None)})
    assert run.evaluation.step == 100
    assert run.evaluation.censored_at == follow_up(run) == potential(run) == behind
    assert times_of([run], OOD) == [EventTime(behind, censored=True)]
    diverged = record(ending_at(end), Rise(5), {OOD: Rise(None)}, exit_reason="diverged")
    assert follow_up(diverged) == behind
    stopped = record(ending_at(end), Rise(5), {OOD: Rise(None)}, exit_reason="grokked")
    assert potential(stopped) == behind


def test_the_first_evaluation_after_the_rate_has_ended_shows_the_last_weights() -> None:
    """It is made at step 60, and shows those of step 58."""
    run = record(ending_at(58), Rise(5), {OOD: lambda step: float(step >= 50)})
    seen = evidence(run.journal, run.spec.training)
    assert (seen.lines[-1]["step"], seen.steps[-1]) == (60, 58)
    assert run.evaluation.held_out[OOD].sustained is not None, "50, 55 and 58, beyond 55"
    first = record(ending_at(58), Rise(5), {OOD: lambda step: float(step >= 60)})
    assert times_of([first], OOD, "first_crossing") == [EventTime(58, after=55)]


def test_evaluations_between_which_every_step_was_skipped_confirm_nothing() -> None:
    def line(step: int, accuracy: float, skipped: int) -> dict[str, Any]:
        measured = {"accuracy": accuracy}
        return {"step": step, "train": {"accuracy": 1.0}, "splits": {OOD: measured}, "steps_skipped": skipped}

    lines = [line(5, 0.4, 0), line(10, 1.0, 0), line(15, 1.0, 5), line(20, 1.0, 10), line(25, 1.0, 15)]
    assert phases_of(lines, [OOD], ExperimentSpec())[OOD]["sustained"] is None
    lines = [line(5, 0.4, 0), line(10, 1.0, 0), line(15, 1.0, 4), line(20, 1.0, 8), line(25, 1.0, 12)]
    assert phases_of(lines, [OOD], ExperimentSpec())[OOD]["sustained"] == 10
    assert len(evidence([], TrainingSpec()).lines) == 0


def test_a_run_does_not_stop_as_grokked_on_weights_that_stand_still(smoke_data: Path, tmp_path: Path) -> None:
    """At a threshold that chance reaches, ten evaluations sustain every split, but for those of unchanged weights."""
    stopping = [f"training.stop_on_grok={{split: {OOD}}}", "evaluation.threshold=.01", "evaluation.sustain=10"]
    ends = {}
    for end in (7, 100):
        ends[end] = grokcore.train_model(ending_at(end, *stopping), smoke_data, tmp_path / str(end))
    assert (ends[7].exit_reason, ends[7].step) == ("budget_steps", 100)
    assert ends[100].exit_reason == "grokked"
    phases = read_journal(tmp_path / "7" / "metrics.jsonl")[-1]["phases"]
    assert phases[OOD]["sustained"] is None


def test_an_evaluation_that_counted_a_frozen_tail_has_to_be_made_again(tmp_path: Path) -> None:
    run = record(ending_at(60), Rise(5), {OOD: at_last})
    write(run, tmp_path / "run")
    assert read_record(str(tmp_path / "run")).evaluation == run.evaluation
    with_tail = run.evaluation.model_copy(update={"censored_at": 100})
    (tmp_path / "run" / "evaluation.json").write_text(with_tail.model_dump_json())
    with pytest.raises(InputError, match="read other times off its journal; bring it up to date with: grokcore eval"):
        read_record(str(tmp_path / "run"))
