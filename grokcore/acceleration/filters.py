"""Filters of gradients, in place on lists of them; each follows from its formula alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def amplify_slow(gradients: list[Tensor], averages: list[Tensor], share: Tensor | float, gain: float) -> None:
    """Add the moving average of the gradients to them (Grokfast-EMA, arXiv 2405.20233, algorithm 1).

    mu <- mu + share (g - mu);  g <- g + gain mu.

    Args:
        averages: mu, changed in place.
        share: 1 - decay, a number or a 0-d tensor; 1 in the first step, where mu = g.
    """
    changes = torch._foreach_sub(gradients, averages)
    torch._foreach_mul_(changes, share)
    torch._foreach_add_(averages, changes)
    torch._foreach_add_(gradients, averages, alpha=gain)


def orthogonalize_to_weights(gradients: Sequence[Tensor], weights: Sequence[Tensor], *, stacked: bool = False) -> None:
    """Remove from each gradient what only scales its weight, and restore its norm (OrthoGrad, arXiv 2501.04697).

    g' = g - (w.g) / (w.w) w;  g <- g' |g| / |g'|.

    Args:
        stacked: the first dimension counts seeds, each with products and norms of its own.
    """
    dimensions = [_inner(gradient, stacked) for gradient in gradients]
    for gradient, weight, inner in zip(gradients, weights, dimensions, strict=True):
        norm = _norm(gradient, inner)
        along = (weight * gradient).sum(inner, keepdim=True) / (weight.square().sum(inner, keepdim=True) + 1e-30)
        gradient.addcmul_(weight, along, value=-1)
        gradient.mul_(norm / (_norm(gradient, inner) + 1e-30))


def normalize(gradients: list[Tensor], *, stacked: bool = False) -> None:
    """Scale all gradients together to norm 1: g <- g / (|g| + 1e-8) (the control of NeuralGrok, arXiv 2504.17243).

    Args:
        stacked: the first dimension counts seeds, each with a norm of its own.
    """
    if not stacked:
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_div_(gradients, norm + 1e-8)
        return
    norms = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt() + 1e-8
    for gradient in gradients:
        gradient.div_(norms.view(-1, *[1] * (gradient.ndim - 1)))


def _inner(tensor: Tensor, stacked: bool) -> tuple[int, ...]:
    return tuple(range(int(stacked), tensor.ndim))


def _norm(tensor: Tensor, dimensions: tuple[int, ...]) -> Tensor:
    if not dimensions:
        return tensor.abs()
    norm: Tensor = torch.linalg.vector_norm(tensor, dim=dimensions, keepdim=True)
    return norm
