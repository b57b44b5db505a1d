"""Training with rows of bounded norm: every output of a matrix keeps a bounded scale, and with it the logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from grokcore.acceleration.rows import clip_rows
from grokcore.models.roles import Layout
from grokcore.spec import TrainingSpec


@torch.no_grad()
def row_norm(
    weights: Sequence[Tensor], layouts: Sequence[Layout], training: TrainingSpec, skipped: Tensor | None = None
) -> None:
    """Scale each row of every matrix to at most the bound; with `matrices_and_norms` each vector too, as one row."""
    roles = {"matrix"} if training.projection_on == "matrices" else {"matrix", "vector"}
    for weight, layout in zip(weights, layouts, strict=True):
        if layout.role in roles:
            for part in layout.split(weight) if weight.ndim == 1 else (weight,):
                clip_rows(part, training.projection_bound or 0.0, outputs=layout.outputs, skipped=skipped)


PROJECTION = row_norm
