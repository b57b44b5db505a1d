"""The optimizer step by DeepSpeed: one process per device, each on its share of every batch.

With fp16 and bf16 DeepSpeed trains fp32 master weights of its own, and the model's weights are copies of them in that
format. It computes with these in the operations of the native engine: in fp32, and in autocast where that has no
need of it. ZeRO shards the master weights and the optimizer's state over the processes.

Skipped steps are handled as by the native engine: the loss scale is ours and handed to DeepSpeed for each step, and
if a spec does not skip steps, weights become NaN where DeepSpeed has left a step out.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from grokcore.models import SequenceModel
from grokcore.models.precision import autocast
from grokcore.spec import TrainingSpec
from grokcore.spec.training import Role
from grokcore.training.batches import Examples
from grokcore.training.distributed.group import Command, Group
from grokcore.training.engines.deepspeed_config import deepspeed_config
from grokcore.training.engines.deepspeed_state import DeepSpeedState
from grokcore.training.losses import loss_of
from grokcore.training.optimizers.groups import LearningRates
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.projections import projection_of
from grokcore.training.state import TrainingState
from grokcore.training.update import Update, gradients_of


class Widened(nn.Module):
    """A model that computes with its weights in fp32, whatever format they are stored in.

    Operations other than matrix products, such as powers of a decay rate, need more digits than fp16 has, and their
    kernels need one format.
    """

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model
        self.shares_prefixes = model.shares_prefixes

    def forward(self, *inputs: Any) -> Tensor:
        """Return the model's own result."""
        wide = {name: weight.float() for name, weight in self.model.named_parameters()}
        logits: Tensor = torch.func.functional_call(self.model, wide, inputs)
        return logits


class Objective(nn.Module):
    """The module that DeepSpeed trains: from row numbers to the loss on those examples."""

    def __init__(self, model: nn.Module, examples: Examples, training: TrainingSpec, device: torch.device) -> None:
        super().__init__()
        self.model = model
        self._examples, self._training, self._device = examples, training, device
        self._loss = loss_of(training)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the mean loss of the examples of (B,) int64 `rows`."""
        batch = self._examples[rows]
        with autocast(self._training.precision, self._device):
            logits_bpv = self.model(batch.inputs, batch.positions, batch.prefixes)
        return self._loss(logits_bpv.flatten(0, 1), batch.targets.flatten())


def initialize(
    model: SequenceModel,
    optimizer: Optimizer,
    examples: Examples,
    training: TrainingSpec,
    *,
    device: torch.device,
    group: Group,
) -> tuple[Any, DeepSpeedState]:
    """Return DeepSpeed's engine around a model and our optimizer, and the full state that it trains.

    All processes of the group have to call it, with the same model. It leaves the model's weights as they were, rounded
    where the precision says so; the master weights are not rounded.
    """
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)  # otherwise it logs to stdout
    os.environ.setdefault("DS_ACCELERATOR", device.type)  # it would warn that it has found no GPU
    import deepspeed
    from deepspeed.utils import logger

    logger.setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, message=".*torch.distributed.*deprecated")  # its calls
    # Inference on CPUs has an all-reduce in shared memory, which DeepSpeed compiles for minutes at its first start.
    # Training does without, and an image without a compiler has to.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    weights = [weight for one in optimizer.param_groups for weight in one["params"]]
    exact = {id(weight): weight.detach().clone() for weight in weights}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    for one in optimizer.param_groups:
        one["lr"] = 0.0  # DeepSpeed takes a step with gradients of 0 to create the optimizer's state
    computing = model if training.precision == "fp32" else Widened(model)
    engine, *_ = deepspeed.initialize(
        model=Objective(computing, examples, training, device),
        optimizer=optimizer,
        config=deepspeed_config(training, processes=group.world_size),
        dist_init_required=False,
    )
    for name, buffer in buffers.items():  # rotary tables and the like: constants, which lose by rounding
        owner, _, last = name.rpartition(".")
        model.get_submodule(owner).register_buffer(last, buffer, persistent=_persists(model.get_submodule(owner), last))
    full = DeepSpeedState(model, computing, optimizer, weights, engine, stage=training.zero_stage, group=group)
    full.reset(exact)
    return engine, full


class DeepSpeedStep:
    """An optimizer step of all processes together: rank 0 calls it, the others call `local`."""

    graphs = None

    def __init__(self, state: TrainingState, engine: Any, full: DeepSpeedState, training: TrainingSpec) -> None:
        self._state, self._engine, self._full, self._training = state, engine, full, training
        self._group, self._scaler, self._optimizer = state.group, state.scaler, state.optimizer
        # In fp32 and unsharded, DeepSpeed applies every step, and leaves the gradients where they can be read.
        self._plain = training.precision == "fp32" and training.zero_stage == 0
        self._learning_rates = LearningRates(state.optimizer)
        projection = projection_of(
            training, [layout for group in state.optimizer.param_groups for layout in group["layouts"]]
        )

        def project(skipped: Tensor | None) -> None:
            if projection is not None:
                projection(full.master_weights, skipped)
                full.copy_to_model()

        self._update = Update(
            training,
            state.optimizer,
            None if projection is None else project,
            gradient_norm=state.gradient_norm,
            steps_skipped=state.steps_skipped,
            scaler=state.scaler,
            detects_nonfinite=self._plain,
        )
        if engine.optimizer is not self._optimizer and hasattr(engine.optimizer, "loss_scaler"):
            engine.optimizer.loss_scaler.raise_error_at_min_scale = False  # the scale is ours, and may go below

    def __call__(self, rows: Tensor, learning_rate: float, frozen: Collection[Role] = ()) -> None:
        """Train on the examples of (batch_size,) int64 `rows`, those of all processes together."""
        self._group.command(Command.STEP, learning_rate, frozen)
        self.local(rows, learning_rate, frozen)

    def local(self, rows: Tensor, learning_rate: float, frozen: Collection[Role]) -> None:
        """Do this process's part: its share of the rows, and of all gradients."""
        self._state.model.prepare(self._state.step)
        self._learning_rates.set(learning_rate, frozen)
        if self._scaler is not None:
            self._engine.optimizer.loss_scale = float(self._scaler.scale.item())
        mine = rows.chunk(self._group.world_size)[self._group.rank]
        for part in mine.chunk(self._training.gradient_accumulation):
            self._engine.backward(self._scaled(self._engine(part)))
            if self._plain and self._engine.is_gradient_accumulation_boundary():
                self._update.measure(gradients_of(self._full.weights))
            self._engine.step()
        self._update.finish(self._update.skip if self._plain else self._skipped_by_deepspeed())
        self._state.step += 1

    def _scaled(self, loss: Tensor) -> Tensor:
        """Return the loss to backpropagate.

        Unsharded, DeepSpeed 0.19 divides fp16's gradients by a scale that it never applied to the loss, since our
        optimizer is not one of its fused ones.
        """
        return loss if self._scaler is None or self._training.zero_stage else loss * self._scaler.scale

    def _skipped_by_deepspeed(self) -> Tensor | None:
        """Take over the gradient norm, and return 1 if DeepSpeed has skipped the step, 0 if not.

        If the spec does not skip steps, set the weights to NaN, as the step would have, and return None.
        """
        state, training, scaler = self._state, self._training, self._scaler
        applied = bool(self._engine.was_step_applied())
        scale = 1.0 if scaler is None or training.zero_stage else float(scaler.scale.item())
        norm = self._engine.get_global_grad_norm()
        state.gradient_norm.fill_(float(norm) / scale if applied else float("inf"))
        if scaler is not None:
            return scaler.found_inf.fill_(float(not applied))
        if not applied and training.on_nonfinite != "skip":
            self._full.fill_with_nan()
            return None
        return torch.tensor(float(not applied), device=state.gradient_norm.device)


def _persists(module: nn.Module, buffer: str) -> bool:
    return buffer not in module._non_persistent_buffers_set
