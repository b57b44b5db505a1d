"""Projections of the weights after each optimizer step, one file each, named as in `training.projection`.

A file `NAME.py` defines `PROJECTION`, a function `(weights, bound, skipped) -> None` that works in place. `skipped` is
None, or a 0-d float32 that is 1 where the step was not applied: the weights then stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.spec.implementations import implementations
from grokcore.spec.training import ProjectionName

PROJECTIONS: dict[str, Callable[[Sequence[Tensor], float, Tensor | None], None]] = implementations(
    __name__, (name for name in get_args(ProjectionName) if name != "none"), "PROJECTION"
)


Projection = Callable[[Sequence[Tensor], Tensor | None], None]


def projection_of(training: TrainingSpec) -> Projection | None:
    """Return the spec's projection with its bound, `(weights, skipped) -> None`; None where it has none."""
    bound = training.projection_bound
    if training.projection == "none" or bound is None:
        return None
    project = PROJECTIONS[training.projection]
    return lambda weights, skipped: project(weights, bound, skipped)
