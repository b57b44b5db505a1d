"""Projections of the weights after each optimizer step, one file each, named as in `training.projection`.

A file `NAME.py` defines `PROJECTION`, a function `(weights, layouts, training, skipped) -> None` that works in place.
`skipped` is None, or a 0-d float32 that is 1 where the step was not applied: the weights then stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

from torch import Tensor

from grokcore.models.roles import Layout
from grokcore.spec import TrainingSpec
from grokcore.spec.implementations import implementations
from grokcore.spec.plugins import Plugin, Registry
from grokcore.spec.training import ProjectionName

Definition = Callable[[Sequence[Tensor], Sequence[Layout], TrainingSpec, Tensor | None], None]


def _accept(found: Plugin, definition: Any) -> Definition:
    if not callable(definition):
        raise found.refuse(f"its entry point must name a function, not {type(definition).__name__}")
    projection: Definition = definition
    return projection


PROJECTIONS: Registry[Definition] = Registry(
    "projection",
    implementations(__name__, (name for name in get_args(ProjectionName) if name != "none"), "PROJECTION"),
    _accept,
)

Projection = Callable[[Sequence[Tensor], Tensor | None], None]


def projection_of(training: TrainingSpec, layouts: Sequence[Layout]) -> Projection | None:
    """Return the spec's projection, `(weights, skipped) -> None` for weights in these layouts; None if it has none."""
    if training.projection == "none":
        return None
    project = PROJECTIONS[training.projection]
    return lambda weights, skipped: project(weights, layouts, training, skipped)
