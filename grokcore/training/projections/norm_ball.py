"""Training at a bounded weight norm (Omnigrok, arXiv 2210.01117, section 2): grokking without its delay."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from grokcore.models.roles import Layout
from grokcore.spec import TrainingSpec


@torch.no_grad()
def norm_ball(
    weights: Sequence[Tensor], layouts: Sequence[Layout], training: TrainingSpec, skipped: Tensor | None = None
) -> None:
    """Scale all weights together so that their L2 norm is at most the bound c: w *= min(1, c / |w|)."""
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(weights))))
    factor = (training.projection_bound / norm.clamp_min(1e-12)).clamp_max(1.0)
    torch._foreach_mul_(list(weights), factor if skipped is None else torch.maximum(factor, skipped))


PROJECTION = norm_ball
