"""Losses by name, one file each: `(logits (N, V), targets (N,), label_smoothing) -> scalar`."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from grokcore.training.losses.cross_entropy import cross_entropy

LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {"cross_entropy": cross_entropy}
