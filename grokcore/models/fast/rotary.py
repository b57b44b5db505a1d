"""Rotary positions (arXiv 2104.09864, section 3.4.2), with the halves of a head paired as LLaMA's weights expect."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary(x: Tensor, positions: Tensor, columns: int, *, size: int, base: float) -> Tensor:
    """Turn channel c and c + size/2 of every head by the angle position * base^(-2c/size).

    Args:
        x: (N, C); its first `columns` are heads of `size` channels, the rest is left as it is.
        positions: (N,) int64.

    Returns:
        (N, C).
    """
    half = size // 2
    frequencies = base ** (torch.arange(half, device=x.device, dtype=torch.float32) / -half)
    angles = positions[:, None].float() * frequencies
    cos, sin = (values.to(x.dtype)[:, None] for values in (angles.cos(), angles.sin()))
    turned, rest = x[:, :columns], x[:, columns:]
    first, second = turned.unflatten(1, (-1, 2, half)).unbind(2)
    turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=2).flatten(1)
    return turned if columns == x.shape[1] else torch.cat((turned, rest), dim=1)
