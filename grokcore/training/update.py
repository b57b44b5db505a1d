"""The part of an optimizer step that follows the backward pass: clip, step, project, and count what was skipped.

Native and stacked steps call an `Update` with their gradients. DeepSpeed clips and steps itself, so its step calls
`measure` before that and `finish` after it. Nothing here reads a value from the device: a CUDA graph can record it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.precision import LossScaler


def gradients_of(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of all weights that have one."""
    return [weight.grad for weight in weights if weight.grad is not None]


def norm_of_model(gradients: list[Tensor]) -> Tensor:
    """Return the L2 norm of all gradients together, 0-d."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def norm_of_each_seed(gradients: list[Tensor]) -> Tensor:
    """Return the L2 norm of each seed's gradients, (K,), from gradients (K, ...) of stacked weights."""
    return torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()


def clip(gradients: list[Tensor], norm: Tensor, bound: float) -> None:
    """Scale gradients in place to a norm of at most `bound`, as `torch.nn.utils.clip_grad_norm_` does.

    Args:
        norm: 0-d, or (K,) for gradients (K, ...) of stacked seeds, each of which is clipped by itself.
    """
    factor = (bound / (norm + 1e-6)).clamp_max(1.0)
    if factor.ndim == 0:
        torch._foreach_mul_(gradients, factor)
        return
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))


class Update:
    """From gradients to the next weights.

    Attributes:
        skip: 0-d float32, 1 where the current step must not be applied; None where every step is applied.
    """

    def __init__(
        self,
        training: TrainingSpec,
        optimizer: Optimizer,
        project: Callable[[Tensor | None], None] | None,
        *,
        gradient_norm: Tensor,
        steps_skipped: Tensor,
        scaler: LossScaler | None = None,
        detects_nonfinite: bool = True,
        norm_of: Callable[[list[Tensor]], Tensor] = norm_of_model,
    ) -> None:
        """
        Args:
            project: acts on the weights after the step, unless the flag that it is given says that it was skipped.
            gradient_norm: receives the norm before clipping, in the shape that `norm_of` returns.
            steps_skipped: 0-d int64, counts the steps that were not applied.
            detects_nonfinite: decide here which steps are skipped; an engine that decides itself passes it to `finish`.
            norm_of: the norm, or norms, of the gradients.
        """
        self._training, self._optimizer, self._project = training, optimizer, project
        self._gradient_norm, self._steps_skipped, self._scaler = gradient_norm, steps_skipped, scaler
        self._norm_of = norm_of
        self.skip: Tensor | None = None
        if detects_nonfinite and scaler is not None:
            self.skip = scaler.found_inf
        elif detects_nonfinite and training.on_nonfinite == "skip":
            self.skip = torch.tensor(0.0, device=gradient_norm.device)
        optimizer.found_inf = self.skip

    def __call__(self, gradients: list[Tensor]) -> None:
        """Clip, let the optimizer step, project and count."""
        norm = self.measure(gradients)
        if self._training.gradient_clip is not None:
            clip(gradients, norm, self._training.gradient_clip)
        self._optimizer.step()
        self.finish(self.skip)

    def measure(self, gradients: list[Tensor]) -> Tensor:
        """Undo loss scaling, note the gradients' norm, and decide whether the step is skipped."""
        if self._scaler is not None:
            self._scaler.unscale_(gradients)
        norm = self._norm_of(gradients)
        self._gradient_norm.copy_(norm)
        if self.skip is not None and self._scaler is None:
            self.skip.copy_(norm.isfinite().logical_not())
        return norm

    def finish(self, skipped: Tensor | None) -> None:
        """Project the weights, count the step if it was skipped, and adapt the loss scale."""
        if self._project is not None:
            self._project(skipped)
        if skipped is not None:
            self._steps_skipped += skipped.long()
        if self._scaler is not None:
            self._scaler.update()
