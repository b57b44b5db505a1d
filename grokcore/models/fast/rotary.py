"""Rotary positions (arXiv 2104.09864, section 3.4.2), with the halves of a head paired as LLaMA's weights expect."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from grokcore.models.fast.kernels import Kernels, kernels_for


def rotary(x: Tensor, positions: Tensor, columns: int, *, size: int, base: float, to_base: bool = False) -> Tensor:
    """Turn channels c and c + size/2 of every head by the angle position * base^(-2c/size).

    Args:
        x: (N, C), fresh from a projection: its memory is reused where a kernel turns it in place. Its first `columns`
            are heads of `size` channels, the rest is left as it is.
        positions: (N,) int64.
        to_base: whether the exponents are evenly spaced from 0 to -1 inclusive, so that the last frequency is 1/base,
            as in RetNet's code: -c/(size/2 - 1) in place of -2c/size.

    Returns:
        (N, C).
    """
    channels = torch.arange(size // 2, device=x.device, dtype=torch.float32)
    frequencies = base ** (channels / -(max(size // 2 - 1, 1) if to_base else size // 2))
    angles = positions[:, None].float() * frequencies
    cosines, sines = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    kernels = kernels_for(x)
    if kernels is None or not x.is_contiguous():
        return plain_rotary(x, cosines, sines, columns)
    turned: Tensor = _KernelRotary.apply(x, cosines, sines, columns, kernels)  # type: ignore[no-untyped-call]
    return turned


def plain_rotary(x: Tensor, cosines: Tensor, sines: Tensor, columns: int) -> Tensor:
    """The same in torch's own operators, given cosines and sines of the angles, (N, size/2)."""
    turned, rest = x[:, :columns], x[:, columns:]
    first, second = turned.unflatten(1, (-1, 2, cosines.shape[1])).unbind(2)
    cos, sin = cosines[:, None], sines[:, None]
    turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=2).flatten(1)
    return turned if columns == x.shape[1] else torch.cat((turned, rest), dim=1)


class _KernelRotary(torch.autograd.Function):
    """Turned in place forward, and the gradient turned back in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosines: Tensor, sines: Tensor, columns: int, kernels: Kernels) -> Tensor:
        ctx.mark_dirty(x)
        ctx.save_for_backward(cosines, sines)
        ctx.columns, ctx.kernels = columns, kernels
        _turn(kernels, x, cosines, sines, columns, 1.0)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cosines, sines = ctx.saved_tensors
        grad = grad.clone(memory_format=torch.contiguous_format)  # others may still read the incoming gradient
        _turn(ctx.kernels, grad, cosines, sines, ctx.columns, -1.0)
        return grad, None, None, None, None


def _turn(kernels: Kernels, x: Tensor, cosines: Tensor, sines: Tensor, columns: int, direction: float) -> None:
    rows, half = cosines.shape
    kernels.call("rotary", x.dtype, x, x.stride(0), cosines, sines, rows, columns // (2 * half), half, direction)
