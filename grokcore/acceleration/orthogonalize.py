"""Orthogonalize matrices by matrix products alone (Muon: Jordan et al., 2024; arXiv 2502.16982)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration by Jordan et al.: it moves singular values near 1 fast, and never to it."""
ITERATIONS = 5
SINGULAR_VALUES = (0.68, 1.21)
"""Least and greatest value of the polynomial on what it maps there: where singular values end that do not begin as tiny
ones."""


def newton_schulz(matrices: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Replace the singular values of matrices (..., m, n), m <= n, by values near 1, and keep their singular vectors.

    X_0 = U / |U|_F;  X <- a X + (b A + c A A) X  with  A = X X^T.

    Args:
        iterations: 0 returns each matrix at the norm that an orthogonal one has, sqrt(m): momentum of the same size.
    """
    x: Tensor = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-7)
    if not iterations:
        return x * math.sqrt(matrices.shape[-2])
    a, b, c = COEFFICIENTS
    shape = x.shape
    x = x.flatten(0, -3) if x.ndim > 3 else x.view(-1, *shape[-2:])
    for _ in range(iterations):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.view(shape)


def update_scale(rows: int, columns: int) -> float:
    """Factor that gives an orthogonalized update the size of AdamW's: .2 sqrt(max(m, n)) (arXiv 2502.16982, eq. 4)."""
    return 0.2 * math.sqrt(max(rows, columns))
