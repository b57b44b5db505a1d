"""The n-th call of a recorded step does the n-th piece of work, shown on the CPU by recordings of operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from grokcore.training.checkpoints.checkpoint import Snapshot
from grokcore.training.optimizers.groups import LearningRates
from grokcore.training.seeds.stacked import StackedStep
from grokcore.training.step import WARM_UPS
from grokcore.training.trainer import Trainer
from tests.training.methods import METHODS
from tests.training.recording import Graph, graphs
from tests.training.test_step import RANDOM_LOOPS, assert_equal, steps, tensors_of, trainer_of

__all__ = ["graphs"]

STEPS = 8
WARMING_UP = ["training.warmup_steps=20"]
"""Every step has another learning rate."""


def recorded(data: Path, *overrides: str, **options: Any) -> Trainer:
    trainer = trainer_of(data, *WARMING_UP, *overrides, **options)
    assert trainer.graphs is not None
    trainer.graphs.status = "on"
    return trainer


def run(trainer: Trainer, count: int = STEPS) -> dict[str, Tensor]:
    torch.manual_seed(5)
    steps(trainer, count)
    return tensors_of(trainer)


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.precision=fp32"],
        ["training.precision=bf16", "model.dropout=.2"],
        ["training.precision=fp16", "training.gradient_accumulation=2", "training.optimizer=sgd"],
        ["training.precision=fp16", "training.projection=norm_ball", "training.projection_bound=9"],
        ["training.precision=fp32", "model.recurrence={kind: adaptive, most: 3, tolerance: 0.2}"],
        *METHODS.values(),
    ],
    ids=" ".join,
)
def test_replays_train_as_single_steps_do(overrides: list[str], smoke_data: Path, graphs: list[Graph]) -> None:
    expected = run(trainer_of(smoke_data, *WARMING_UP, *overrides))
    assert_equal(run(recorded(smoke_data, *overrides)), expected)
    assert [graph.replays for graph in graphs] == [STEPS - WARM_UPS]


def test_every_number_of_loops_has_a_recording(smoke_data: Path, graphs: list[Graph]) -> None:
    expected = run(trainer_of(smoke_data, *WARMING_UP, *RANDOM_LOOPS), 24)
    assert_equal(run(recorded(smoke_data, *RANDOM_LOOPS), 24), expected)
    assert len(graphs) == 3
    assert sum(graph.replays for graph in graphs) == 24 - 3 * WARM_UPS


def test_stacked_seeds_replay_as_they_step(smoke_data: Path, graphs: list[Graph]) -> None:
    results = []
    for status in (None, "on"):
        trainers = [trainer_of(smoke_data, *WARMING_UP, f"seed={seed}") for seed in (0, 1)]
        step = StackedStep(trainers, notify=lambda line: None)
        assert trainers[0].graphs is not None
        trainers[0].graphs.status = status
        for _ in range(STEPS):
            step()
        results.append([tensors_of(trainer) for trainer in trainers])
    for taken, expected in zip(*results, strict=True):
        assert_equal(taken, expected)
    assert [graph.replays for graph in graphs] == [STEPS - WARM_UPS]


def test_a_step_that_overflows_is_skipped_inside_a_replay(smoke_data: Path, graphs: list[Graph]) -> None:
    results = []
    for make in (trainer_of, recorded):
        trainer = make(smoke_data, "training.precision=fp16", *WARMING_UP)
        assert trainer.state.scaler is not None
        trainer.state.scaler.scale.fill_(2.0**30)
        results.append(run(trainer, 24))
    assert_equal(*results)
    assert WARM_UPS + 1 < results[0]["steps_skipped"] < 24


def test_a_recording_goes_on_from_a_checkpoint(smoke_data: Path, graphs: list[Graph]) -> None:
    """In a trainer that has recorded its step already, and in one that has not."""
    whole, used, fresh = (recorded(smoke_data) for _ in range(3))
    steps(used, 9)
    steps(whole, 6)
    checkpoint = Snapshot(whole.state.checkpoint()).get()
    expected = run(whole)
    for trainer in (used, fresh):
        trainer.state.restore(checkpoint)
        assert_equal(run(trainer), expected)


def test_a_step_that_asks_for_a_number_goes_on_without_a_recording(smoke_data: Path, graphs: list[Graph]) -> None:
    said: list[str] = []
    results = []
    for make in (trainer_of, recorded):
        trainer = make(smoke_data, *WARMING_UP, "model.dropout=.1", notify=said.append)
        trainer.parameters[0].register_hook(lambda gradient: gradient * float(gradient.isfinite().all().item()))
        results.append(run(trainer))
    assert_equal(*results)
    assert [line.endswith("training goes on without") for line in said] == [True]
    assert [graph.replays for graph in graphs] == [0]


def test_a_learning_rate_that_is_a_number_stays_that_of_the_recording(
    smoke_data: Path, graphs: list[Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the recordings here are for: without tensors in its place this would train with stale rates."""
    expected = run(trainer_of(smoke_data, *WARMING_UP))
    init = LearningRates.__init__
    monkeypatch.setattr(LearningRates, "__init__", lambda self, optimizer, device=None: init(self, optimizer, None))
    assert_equal(run(trainer_of(smoke_data, *WARMING_UP)), expected)
    stale = run(recorded(smoke_data))
    assert any(not torch.equal(stale[name], expected[name]) for name in expected)
