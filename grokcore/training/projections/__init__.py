"""What is done to the weights after a step, by name, one file each: `(weights, bound, skipped) -> None`, in place.

`skipped` is None, or a 0-d float32 that is 1 where loss scaling skips the step: nothing is done to the weights then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from grokcore.training.projections.norm_ball import norm_ball

PROJECTIONS: dict[str, Callable[[Sequence[Tensor], float, Tensor | None], None]] = {"norm_ball": norm_ball}
