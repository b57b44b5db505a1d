"""Engines by name: `(spec, model, examples, device, group, notify) -> (state, step)`.

`model` is on the device; `step` takes the row numbers of a batch and the learning rate. An engine that trains in a
group of processes has, as `step.local`, the part of those that do not lead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from grokcore.models import SequenceModel, decay_groups
from grokcore.spec import ExperimentSpec
from grokcore.training.batches import Examples
from grokcore.training.distributed.group import Group
from grokcore.training.optimizers import OPTIMIZERS
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.precision import loss_scaler
from grokcore.training.state import TrainingState
from grokcore.training.step import Step

Stepper = Callable[[Tensor, float], None]


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
    ) -> tuple[TrainingState, Stepper]: ...


def native(
    spec: ExperimentSpec,
    model: SequenceModel,
    examples: Examples,
    *,
    device: torch.device,
    group: Group,
    notify: Callable[[str], None],
) -> tuple[TrainingState, Stepper]:
    """Steps of our own on one device, on a GPU as one CUDA graph each."""
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
) -> tuple[TrainingState, Stepper]:
    """Steps by DeepSpeed, on one device or several."""
    from grokcore.training.engines.deepspeed import DeepSpeedStep, initialize

    optimizer = _optimizer(spec, model)
    engine, masters = initialize(model, optimizer, examples, spec.training, device=device, group=group)
    state = _state(spec, model, optimizer, device)
    state.whole, state.group = masters, group
    return state, DeepSpeedStep(state, engine, masters, spec.training, device=device)


ENGINES: dict[str, Engine] = {"native": native, "deepspeed": deepspeed}


def _optimizer(spec: ExperimentSpec, model: SequenceModel) -> Optimizer:
    training = spec.training
    decayed, exempt = decay_groups(model, training.decay_groups)
    groups = [
        {"params": [parameter for _, parameter in decayed], "weight_decay": training.weight_decay},
        {"params": [parameter for _, parameter in exempt], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[training.optimizer](groups, training)


def _state(spec: ExperimentSpec, model: SequenceModel, optimizer: Optimizer, device: torch.device) -> TrainingState:
    return TrainingState(
        spec.run_id,
        model,
        optimizer,
        loss_scaler(spec.training.precision, device),
        gradient_norm=torch.tensor(math.nan, device=device),
        steps_skipped=torch.tensor(0, device=device),
    )
