"""One optimiser step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from grokcore.models.precision import autocast
from grokcore.spec import TrainingSpec
from grokcore.training.examples import Examples
from grokcore.training.graph import StepGraphs
from grokcore.training.losses import LOSSES
from grokcore.training.projections import PROJECTIONS
from grokcore.training.state import TrainingState


class Step:
    """An optimiser step on tensors that stay where they are. Nothing in here waits for the device.

    What differs from step to step, row numbers and learning rate, is copied into place first, and a random number of
    loops is drawn. After that no size, no address and no branch depends on a value on the device, so that on CUDA the
    same code runs once more as a recording, one for each number of loops, and is replayed from then on.

    Attributes:
        graphs: what runs it.
    """

    def __init__(
        self,
        state: TrainingState,
        examples: Examples,
        training: TrainingSpec,
        *,
        device: torch.device,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._state, self._examples, self._training, self._device = state, examples, training, device
        self._parameters = [parameter for parameter in state.model.parameters() if parameter.requires_grad]
        self._loss = LOSSES[training.loss]
        self._rows = torch.zeros(training.batch_size, dtype=torch.int64, device=device)
        # On a CPU the optimisers' kernels read any number format; on CUDA they take every learning rate for float32.
        precision = torch.float32 if device.type == "cuda" else torch.float64
        self._learning_rate = torch.zeros((), dtype=precision, device=device)
        for group in state.optimizer.param_groups:
            group["lr"] = self._learning_rate
        self._skip: Tensor | None = None  # 0-d float32, 1 where the step in hand is not applied
        if state.scaler is not None:
            self._skip = state.scaler.found_inf
        elif training.on_nonfinite == "skip":
            self._skip = torch.tensor(0.0, device=device)
        state.optimizer.found_inf = self._skip
        self.graphs = StepGraphs(self._work, training, device, notify)

    def __call__(self, rows: Tensor, learning_rate: float) -> None:
        """Train on the examples of (batch_size,) int64 `rows`."""
        self._rows.copy_(rows)
        self._learning_rate.fill_(learning_rate)
        self.graphs(self._state.model.prepare(self._state.step))
        self._state.step += 1

    def _work(self) -> None:
        try:
            for rows in self._rows.chunk(self._training.gradient_accumulation):
                self._backward(rows)
            self._update()
        finally:  # a step that could not be recorded leaves nothing for the one that runs in its place to add to
            for parameter in self._parameters:
                parameter.grad = None

    def _backward(self, rows: Tensor) -> None:
        """Add the gradient of one part of the batch."""
        training, scaler = self._training, self._state.scaler
        batch = self._examples[rows]
        with autocast(training.precision, self._device):
            logits_bpv = self._state.model(batch.inputs, batch.positions, batch.prefixes)
        loss = self._loss(logits_bpv.flatten(0, 1), batch.targets.flatten(), training.label_smoothing)
        if training.gradient_accumulation > 1:
            loss = loss / training.gradient_accumulation
        (loss if scaler is None else loss * scaler.scale).backward()

    def _update(self) -> None:
        """Clip the gradients, let the optimiser step, project the weights."""
        training, state, scaler = self._training, self._state, self._state.scaler
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if scaler is not None:
            scaler.unscale_(gradients)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        state.gradient_norm.copy_(norm)
        if self._skip is not None and scaler is None:
            self._skip.copy_(norm.isfinite().logical_not())
        if training.gradient_clip is not None:  # as torch.nn.utils.clip_grad_norm_ does it
            torch._foreach_mul_(gradients, (training.gradient_clip / (norm + 1e-6)).clamp_max(1.0))
        state.optimizer.step()
        if training.projection != "none" and training.projection_bound is not None:
            PROJECTIONS[training.projection](self._parameters, training.projection_bound, self._skip)
        if self._skip is not None:
            state.steps_skipped += self._skip.long()
        if scaler is not None:
            scaler.update()
