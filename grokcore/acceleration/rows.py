"""The norms of a matrix's rows: of the weights that make one output."""

from __future__ import annotations

import torch
from torch import Tensor


def row_norms(weight: Tensor, *, outputs: int = 0) -> Tensor:
    """Return the L2 norm of each row of a matrix, with its other dimension kept as 1; a vector is one row, (1,).

    Args:
        outputs: the dimension that counts rows.
    """
    norms: Tensor = torch.linalg.vector_norm(weight, dim=0 if weight.ndim == 1 else 1 - outputs, keepdim=True)
    return norms


def clip_rows(weight: Tensor, bound: float, *, outputs: int = 0, skipped: Tensor | None = None) -> None:
    """Scale rows in place to a norm of at most `bound`: w_row *= min(1, bound / |w_row|).

    Args:
        skipped: 0-d; where it is 1, the weight stays as it is.
    """
    factors = (bound / row_norms(weight, outputs=outputs).clamp_min(1e-12)).clamp_max(1.0)
    weight.mul_(factors if skipped is None else torch.maximum(factors, skipped))
