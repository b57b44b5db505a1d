"""StableMax cross-entropy (arXiv 2501.04697, section 4.1): a softmax that grows linearly, not exponentially.

    s(x) = x + 1 if x >= 0 else 1 / (1 - x)        p_j = s(x_j) / sum_k s(x_k)        loss = -log p_y

So StableMax is the softmax of log s. Unlike softmax it changes when a constant is added to all logits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class LogS(torch.autograd.Function):
    """log s(x) = sign(x) log(1 + |x|), elementwise, with its derivative 1 / (1 + |x|).

    The derivative is written out because autograd goes wrong at single points: through the published
    `where(x < 0, 1 / (1 - x), x + 1)` it is NaN at exactly 1, where the branch that is not taken divides by zero, and
    through `abs` it is 0 at exactly 0, where a model whose head starts at zero has all of its logits.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        size = x.abs().add_(1)
        return size.log().copysign_(x), size

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        _, size = output
        ctx.set_materialize_grads(False)  # none of the size, which would be a tensor of zeros
        ctx.mark_non_differentiable(size)
        ctx.save_for_backward(size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, _: None) -> Tensor | None:
        (size,) = ctx.saved_tensors
        return None if gradient is None else gradient / size


def stablemax(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean negative StableMax log-likelihood of (N,) `targets` under (N, V) `logits`, in nats, in fp32."""
    return functional.cross_entropy(log_s(logits.float()), targets, label_smoothing=label_smoothing)


def log_s(logits: Tensor) -> Tensor:
    """Return the logarithm of s of `logits`, whose softmax is StableMax."""
    logarithm: Tensor
    logarithm, _ = LogS.apply(logits)  # type: ignore[no-untyped-call]
    return logarithm


LOSS = stablemax
