"""Losses, one file each, named as in `training.loss`.

A file `NAME.py` defines `LOSS`, a function `(logits (N, V), targets (N,), label_smoothing) -> scalar`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from torch import Tensor

from grokcore.spec.implementations import implementations
from grokcore.spec.training import LossName

LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = implementations(__name__, get_args(LossName), "LOSS")
