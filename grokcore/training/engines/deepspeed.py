"""The optimiser step by DeepSpeed: one process per device, each on its share of every batch.

With fp16 and bf16 DeepSpeed trains fp32 weights of its own, here called masters, and the model's are copies of them in
that format. It computes with these in the operations of the native engine: in fp32, and in autocast where that has no
need of it. ZeRO divides the masters and the optimiser's state among the processes.

What happens at a step that must not be applied is decided here as the native engine decides it: the loss scale is ours
and handed to DeepSpeed for each step, and where a spec asks for the consequences of a gradient that is no number,
DeepSpeed's leaving the step out does not stand in their way.
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from grokcore.models import SequenceModel
from grokcore.models.precision import autocast
from grokcore.spec import TrainingSpec
from grokcore.training.batches import Examples
from grokcore.training.distributed.group import Group, Order, lost_peers
from grokcore.training.engines.deepspeed_config import deepspeed_config
from grokcore.training.engines.deepspeed_state import Masters
from grokcore.training.losses import LOSSES
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.precision import LossScaler
from grokcore.training.projections import PROJECTIONS
from grokcore.training.state import TrainingState


class Widened(nn.Module):
    """A model that computes with its weights in fp32, whatever they are kept in.

    What is no matrix product, a decay rate raised to powers above all, wants more digits than fp16 has, and the kernels
    that compute it want one format.
    """

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model
        self.shares_prefixes = model.shares_prefixes

    def forward(self, *inputs: Any) -> Tensor:
        """The model's own result."""
        wide = {name: weight.float() for name, weight in self.model.named_parameters()}
        logits: Tensor = torch.func.functional_call(self.model, wide, inputs)
        return logits


class Objective(nn.Module):
    """From row numbers to the loss on those examples: what DeepSpeed is given to train."""

    def __init__(self, model: nn.Module, examples: Examples, training: TrainingSpec, device: torch.device) -> None:
        super().__init__()
        self.model = model
        self._examples, self._training, self._device = examples, training, device
        self._loss = LOSSES[training.loss]

    def forward(self, rows: Tensor) -> Tensor:
        """The mean loss of the examples of (B,) int64 `rows`."""
        batch = self._examples[rows]
        with autocast(self._training.precision, self._device):
            logits_bpv = self.model(batch.inputs, batch.positions, batch.prefixes)
        return self._loss(logits_bpv.flatten(0, 1), batch.targets.flatten(), self._training.label_smoothing)


def initialize(
    model: SequenceModel,
    optimizer: Optimizer,
    examples: Examples,
    training: TrainingSpec,
    *,
    device: torch.device,
    group: Group,
) -> tuple[Any, Masters]:
    """DeepSpeed's engine around a model and our optimiser, and the fp32 weights that it trains.

    `masters.computing` is the model to evaluate.

    All processes of the group have to call it, with the same model. It leaves the model's weights as they were, rounded
    where the precision says so; the masters are not rounded.
    """
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)  # or it tells its life on stdout
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
        one["lr"] = 0.0  # DeepSpeed takes a step with gradients of 0 to see the optimiser's state come into being
    computing = model if training.precision == "fp32" else Widened(model)
    with lost_peers():
        engine, *_ = deepspeed.initialize(
            model=Objective(computing, examples, training, device),
            optimizer=optimizer,
            config=deepspeed_config(training, processes=group.world_size),
            dist_init_required=False,
        )
    for name, buffer in buffers.items():  # rotary tables and the like: constants, which lose by rounding
        owner, _, last = name.rpartition(".")
        model.get_submodule(owner).register_buffer(last, buffer, persistent=_persists(model.get_submodule(owner), last))
    masters = Masters(model, computing, optimizer, weights, engine, stage=training.zero_stage, group=group)
    masters.reset(exact)
    return engine, masters


class DeepSpeedStep:
    """An optimiser step of all processes together; the leader calls it, and the others its part `local`."""

    def __init__(
        self, state: TrainingState, engine: Any, masters: Masters, training: TrainingSpec, *, device: torch.device
    ) -> None:
        self._state, self._engine, self._masters, self._training = state, engine, masters, training
        self._group = state.group
        self._scaler: LossScaler | None = state.scaler
        # In fp32 and undivided, DeepSpeed applies every step, and leaves the gradients where they can be looked at.
        self._plain = training.precision == "fp32" and training.zero_stage == 0
        self._optimizer = state.optimizer
        self._skip = torch.tensor(0.0, device=device) if self._plain and training.on_nonfinite == "skip" else None
        self._optimizer.found_inf = self._skip
        if engine.optimizer is not self._optimizer and hasattr(engine.optimizer, "loss_scaler"):
            engine.optimizer.loss_scaler.raise_error_at_min_scale = False  # the scale is ours, and may go below

    def __call__(self, rows: Tensor, learning_rate: float) -> None:
        """Train on the examples of (batch_size,) int64 `rows`, those of all processes together."""
        self._group.order(Order.STEP, learning_rate)
        self.local(rows, learning_rate)

    def local(self, rows: Tensor, learning_rate: float) -> None:
        """This process's part of it: its share of the rows, and of all gradients."""
        self._state.model.prepare(self._state.step)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        if self._scaler is not None:
            self._engine.optimizer.loss_scale = float(self._scaler.scale.item())
        mine = rows.chunk(self._group.world_size)[self._group.rank]
        with lost_peers():
            for part in mine.chunk(self._training.gradient_accumulation):
                self._engine.backward(self._scaled(self._engine(part)))
                if self._plain and self._engine.is_gradient_accumulation_boundary():
                    self._look_at_gradients()
                self._engine.step()
        self._settle_step()
        self._state.step += 1

    def _scaled(self, loss: Tensor) -> Tensor:
        """The loss to go back from. Undivided, DeepSpeed 0.19 divides fp16's gradients by a scale that it never applied
        to the loss: with our optimiser, which is none of its fused ones."""
        return loss if self._scaler is None or self._training.zero_stage else loss * self._scaler.scale

    def _look_at_gradients(self) -> None:
        gradients = [weight.grad for weight in self._masters.weights if weight.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        self._state.gradient_norm.copy_(norm)
        if self._skip is not None:
            self._skip.copy_(norm.isfinite().logical_not())

    def _settle_step(self) -> None:
        """What the native engine does at the end of a step, with what DeepSpeed has made of it."""
        state, training, skipped = self._state, self._training, self._skip
        if not self._plain:
            applied = bool(self._engine.was_step_applied())
            scale = 1.0 if self._scaler is None or training.zero_stage else float(self._scaler.scale.item())
            norm = self._engine.get_global_grad_norm()
            state.gradient_norm.fill_(float(norm) / scale if applied else float("inf"))
            skipped = torch.tensor(float(not applied), device=state.gradient_norm.device)
            if not applied and self._scaler is None and training.on_nonfinite != "skip":
                self._masters.spoil()
                skipped = None
        if training.projection != "none" and training.projection_bound is not None:
            PROJECTIONS[training.projection](self._masters.masters, training.projection_bound, skipped)
            self._masters.publish()
        if self._scaler is not None and skipped is not None:
            self._scaler.found_inf.copy_(skipped)
            self._scaler.update()
        if skipped is not None:
            state.steps_skipped += skipped.long()


def _persists(module: nn.Module, buffer: str) -> bool:
    return buffer not in module._non_persistent_buffers_set
