"""What is done to the weights after a step, by name, one file each: `(parameters, bound) -> None`, in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from grokcore.training.projections.norm_ball import norm_ball

PROJECTIONS: dict[str, Callable[[Sequence[Tensor], float], None]] = {"norm_ball": norm_ball}
