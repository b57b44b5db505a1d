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
    for given, weighed in zip(gradients, weights, strict=True):
        gradient, weight = _of_vectors(given, stacked), _of_vectors(weighed, stacked)
        inner = tuple(range(int(stacked), gradient.ndim))
        norm = torch.linalg.vector_norm(gradient, dim=inner, keepdim=True)
        along = (weight * gradient).sum(inner, keepdim=True) / (weight.square().sum(inner, keepdim=True) + 1e-30)
        gradient.addcmul_(weight, along, value=-1)
        gradient.mul_(norm / (torch.linalg.vector_norm(gradient, dim=inner, keepdim=True) + 1e-30))


def normalize(gradients: list[Tensor], *, stacked: bool = False) -> None:
    """Scale all gradients together to norm 1: g <- g / (|g| + 1e-8) (the control of NeuralGrok, arXiv 2504.17243).

    Args:
        stacked: the first dimension counts seeds, each with a norm of its own.
    """
    if not stacked:
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_div_(gradients, norm + 1e-8)
        return
    vectors = [_of_vectors(gradient, stacked) for gradient in gradients]
    norms = torch.stack([vector.flatten(1).square().sum(1) for vector in vectors]).sum(0).sqrt() + 1e-8
    for vector in vectors:
        vector.div_(norms.view(-1, *[1] * (vector.ndim - 1)))


def _of_vectors(tensor: Tensor, stacked: bool) -> Tensor:
    """Return a view in which a single number is a vector: a sum over no dimension would be one over all."""
    return tensor.unsqueeze(-1) if tensor.ndim == stacked else tensor
