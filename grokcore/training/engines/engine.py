"""Engines by name: `(spec, model, examples, device, group, notify) -> (state, step)`, with `model` on the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Protocol

import torch
from torch import Tensor

from grokcore.models import SequenceModel
from grokcore.spec import ExperimentSpec
from grokcore.spec.training import Role
from grokcore.training.batches import Examples
from grokcore.training.distributed.group import Group
from grokcore.training.optimizers import OPTIMIZERS
from grokcore.training.optimizers.groups import parameter_groups
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.precision import loss_scaler
from grokcore.training.state import TrainingState
from grokcore.training.step import Step, StepGraphs


class EngineStep(Protocol):
    """Takes optimizer steps. In a group of processes, ranks other than 0 call its method `local` instead."""

    @property
    def graphs(self) -> StepGraphs | None:
        """The CUDA graphs of the steps; None for an engine that does not use them."""

    def __call__(self, rows: Tensor, learning_rate: float, frozen: Collection[Role] = ()) -> None:
        """Train on the examples of (batch_size,) int64 `rows`; weights of `frozen` roles stay as they are."""


class Engine(Protocol):
    def __call__(
        self,
        spec: ExperimentSpec,
        model: SequenceModel,
        examples: Examples,
        *,
        device: torch.device,
        group: Group,
        notify: Callable[[str], None],
    ) -> tuple[TrainingState, EngineStep]: ...


def native(
    spec: ExperimentSpec,
    model: SequenceModel,
    examples: Examples,
    *,
    device: torch.device,
    group: Group,
    notify: Callable[[str], None],
) -> tuple[TrainingState, EngineStep]:
    """Train on one device, on a GPU with each step as one CUDA graph."""
    state = _state(spec, model, _optimizer(spec, model), device)
    return state, Step(state, examples, spec.training, device=device, notify=notify)


def deepspeed(
    spec: ExperimentSpec,
    model: SequenceModel,
    examples: Examples,
    *,
    device: torch.device,
    group: Group,
    notify: Callable[[str], None],
) -> tuple[TrainingState, EngineStep]:
    """Train with DeepSpeed, on one device or several."""
    from grokcore.training.engines.deepspeed import DeepSpeedStep, initialize

    optimizer = _optimizer(spec, model)
    engine, full = initialize(model, optimizer, examples, spec.training, device=device, group=group)
    state = _state(spec, model, optimizer, device)
    state.full, state.group = full, group
    return state, DeepSpeedStep(state, engine, full, spec.training)


ENGINES: dict[str, Engine] = {"native": native, "deepspeed": deepspeed}


def _optimizer(spec: ExperimentSpec, model: SequenceModel) -> Optimizer:
    kind = OPTIMIZERS[spec.training.optimizer]
    return kind(parameter_groups(model, spec.training, by_role=kind.by_role), spec.training)


def _state(spec: ExperimentSpec, model: SequenceModel, optimizer: Optimizer, device: torch.device) -> TrainingState:
    return TrainingState(
        spec.run_id,
        model,
        optimizer,
        loss_scaler(spec.training.precision, device),
        gradient_norm=torch.tensor(math.nan, device=device),
        steps_skipped=torch.tensor(0, device=device),
    )
