"""Loss or gradients that are no numbers: training ends, leaves out the step, or goes back and on another way."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import grokcore
from grokcore.errors import InputError, StoppedError
from grokcore.runs import read_manifest
from grokcore.runs.checkpoints import files_by_step, read_checkpoint_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import FileStore
from grokcore.training import train_seeds
from grokcore.training.loop import MAX_RESTARTS
from grokcore.training.precision import MIN_SCALE, LossScaler
from grokcore.training.trainer import Trainer
from tests.support.checks import without_clock

WILD = ["training.optimizer=sgd", "training.learning_rate=1e30", "training.gradient_clip=null"]


def spec(policy: str, *overrides: str) -> ExperimentSpec:
    return load_spec("smoke", [f"training.on_nonfinite={policy}", "training.checkpoint_interval=10", *overrides])


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Trainer], bool]], None]:
    """Make a weight infinite after each step of which a function says so."""

    def install(when: Callable[[Trainer], bool]) -> None:
        step = Trainer.take_step

        def spoilt(trainer: Trainer) -> None:
            step(trainer)
            if when(trainer):
                with torch.no_grad():
                    trainer.parameters[0].fill_(math.inf)

        monkeypatch.setattr(Trainer, "take_step", spoilt)

    return install


def test_the_policy_is_part_of_the_identity_where_it_is_not_the_usual_one() -> None:
    usual = load_spec("smoke").run_id
    assert spec("stop").run_id == usual
    assert len({usual, spec("skip").run_id, spec("walk_back").run_id}) == 3


def test_a_step_with_a_gradient_that_is_no_number_is_left_out_and_counted(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, bad = Trainer.__init__, (3, 17, 18)

    def with_hook(trainer: Trainer, *arguments: Any, **options: Any) -> None:
        make(trainer, *arguments, **options)
        trainer.parameters[-1].register_hook(
            lambda gradient: gradient * math.nan if trainer.state.step in bad else gradient
        )

    monkeypatch.setattr(Trainer, "__init__", with_hook)
    projection = ["training.projection=norm_ball", "training.projection_bound=9"]
    assert grokcore.train_model(spec("skip", *projection), smoke_data, tmp_path / "skip").step == 60
    lines = without_clock(tmp_path / "skip")
    assert lines[-1]["steps_skipped"] == 3
    assert lines[-1]["train"]["loss"] < 0.7 * lines[0]["train"]["loss"]
    assert grokcore.train_model(spec("stop"), smoke_data, tmp_path / "stop").exit_reason == "diverged"


def test_skipping_nothing_changes_nothing(smoke_data: Path, smoke_run: Path, tmp_path: Path) -> None:
    grokcore.train_model(spec("skip"), smoke_data, tmp_path)
    assert without_clock(tmp_path) == without_clock(smoke_run)


def test_training_walks_back_and_goes_on_in_another_order(
    smoke_data: Path, smoke_run: Path, tmp_path: Path, spoil: Callable[..., None]
) -> None:
    spoil(lambda trainer: trainer.state.step == 33 and trainer.state.restarts == 0)
    said: list[str] = []
    result = grokcore.train_model(spec("walk_back"), smoke_data, tmp_path, notify=said.append)
    assert (result.exit_reason, result.step) == ("budget_steps", 60)
    lines, usual = without_clock(tmp_path), without_clock(smoke_run)
    assert [line["step"] for line in lines] == [line["step"] for line in usual]
    first = next(index for index, line in enumerate(lines) if line["restarts"])
    assert lines[:first] == usual[:first]
    assert lines[first]["step"] > 30
    assert {line["restarts"] for line in lines[first:]} == {1}
    assert lines[-1]["train"]["loss"] != usual[-1]["train"]["loss"], "another order"
    (line,) = said
    assert "going on from step 30 with another order of the data (restart 1 of 3)" in line


@pytest.mark.parametrize("stop_at", [20, 31, 37])
def test_a_run_that_was_stopped_walks_back_as_if_it_had_not_been(
    stop_at: int, smoke_data: Path, tmp_path: Path, spoil: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the signal had it save a state in between, later than the regular one."""
    spoil(lambda trainer: trainer.state.step == 35 and trainer.state.restarts == 0)
    grokcore.train_model(spec("walk_back"), smoke_data, tmp_path / "whole")
    step = Trainer.take_step

    def signaled(trainer: Trainer) -> None:
        step(trainer)
        if trainer.state.step == stop_at:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "take_step", signaled)
        with pytest.raises(StoppedError, match=f"stopped at step {stop_at}"):
            grokcore.train_model(spec("walk_back"), smoke_data, tmp_path / "parts")
    grokcore.train_model(spec("walk_back"), smoke_data, tmp_path / "parts")
    assert without_clock(tmp_path / "parts") == without_clock(tmp_path / "whole")
    assert without_clock(tmp_path / "parts")[-1]["restarts"] == 1


def test_walking_back_ends_after_some_attempts(smoke_data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    result = grokcore.train_model(spec("walk_back", *WILD), smoke_data, tmp_path, notify=said.append)
    assert result.exit_reason == "diverged"
    assert len([line for line in said if "going on from step" in line]) == MAX_RESTARTS
    lines = without_clock(tmp_path)
    assert lines[-1]["train"]["loss"] is None
    assert lines[-1]["restarts"] == MAX_RESTARTS
    assert read_manifest(tmp_path).exit_reason == "diverged"
    again = grokcore.train_model(spec("walk_back", *WILD), smoke_data, tmp_path)
    assert (again.exit_reason, again.step) == ("diverged", result.step)


def test_what_came_after_the_checkpoint_walked_back_to_is_gone(
    smoke_data: Path, tmp_path: Path, spoil: Callable[..., None]
) -> None:
    """Checkpoints of a state that has diverged are written before an evaluation shows it."""
    spoil(lambda trainer: trainer.state.step == 21 and trainer.state.restarts == 0)
    overrides = ["training.checkpoint_interval=2", "training.checkpoint_keep=40", "evaluation.interval=40"]
    grokcore.train_model(spec("walk_back", *overrides, "evaluation.growth=2"), smoke_data, tmp_path)
    steps = list(files_by_step(FileStore(tmp_path / "checkpoints")))
    assert steps == list(range(0, 61, 2))
    assert all(read_checkpoint_manifest(FileStore(tmp_path / "checkpoints"), step).finite for step in steps)
    assert all(line["train"]["loss"] is not None for line in without_clock(tmp_path))


@pytest.mark.parametrize("policy", ["skip", "walk_back"])
def test_seeds_that_may_part_ways_are_not_stacked(policy: str, smoke_data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"training.on_nonfinite={policy}"):
        train_seeds([spec(policy)], smoke_data, tmp_path, strategy="stacked")


def test_a_run_whose_gradients_overflow_down_to_the_last_loss_scale_has_diverged(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 halvings lie between the first scale and the last; fp16 on a CPU is what no command allows."""
    monkeypatch.setattr("grokcore.training.train.check_hardware", lambda spec: None)
    monkeypatch.setattr(LossScaler, "unscale_", lambda scaler, gradients: scaler.found_inf.fill_(1.0))
    overflowing = load_spec("smoke", ["training.precision=fp16", "training.device=cpu", "evaluation.interval=10"])

    result = grokcore.train_model(overflowing, smoke_data, tmp_path / "run")

    assert (result.exit_reason, result.step) == ("diverged", 30)
    last = without_clock(tmp_path / "run")[-1]
    assert (last["loss_scale"], last["steps_skipped"]) == (MIN_SCALE, 30)
    assert last["weight_norm"] is not None
