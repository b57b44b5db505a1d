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
    def forward(x: Tensor) -> Tensor:
        return x.abs().add_(1).log_().copysign_(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient_of_logits: Tensor = gradient / x.abs().add_(1)
        return gradient_of_logits


def stablemax(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean negative StableMax log-likelihood of (N,) `targets` under (N, V) `logits`, in nats, in fp32."""
    return functional.cross_entropy(log_s(logits.float()), targets, label_smoothing=label_smoothing)


def log_s(logits: Tensor) -> Tensor:
    """Return the logarithm of s of `logits`, whose softmax is StableMax."""
    logarithm: Tensor = LogS.apply(logits)  # type: ignore[no-untyped-call]
    return logarithm


LOSS = stablemax
