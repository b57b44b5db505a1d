"""Orthogonalize matrices by matrix products alone (Muon: Jordan et al., 2024; arXiv 2502.16982)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from grokcore.acceleration.costs import is_wide

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration by Jordan et al.: it moves singular values near 1 fast, and never to it."""
ITERATIONS = 5
SINGULAR_VALUES = (0.68, 1.21)
"""Least and greatest value of the polynomial on what it maps there: where singular values end that do not begin as tiny
ones."""


def newton_schulz(matrices: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Replace the singular values of matrices (..., m, n), m <= n, by values near 1, and keep their singular vectors.

    X_0 = U / |U|_F;  X <- a X + (b A + c A A) X  with  A = X X^T. Where n >= 2 m the same polynomial is computed in A
    alone, which is smaller: P <- Q P, A <- Q A Q with Q = a + b A + c A A, and X = P X_0 at the end.

    Args:
        iterations: 0 returns each matrix at the norm that an orthogonal one has, sqrt(m): momentum of the same size.
    """
    x: Tensor = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-7)
    if not iterations:
        return x * math.sqrt(matrices.shape[-2])
    shape = x.shape
    iterate = _on_gram if is_wide(*shape[-2:]) else _on_matrix
    return iterate(x.reshape(-1, *shape[-2:]), iterations).view(shape)


def _on_matrix(x: Tensor, iterations: int) -> Tensor:
    a, b, c = COEFFICIENTS
    for _ in range(iterations):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _on_gram(x: Tensor, iterations: int) -> Tensor:
    a, b, c = COEFFICIENTS
    gram = torch.bmm(x, x.mT)
    product = None
    for left in reversed(range(iterations)):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else torch.bmm(factor, product)
        if left:
            gram = torch.bmm(torch.bmm(factor, gram), factor)
    return x if product is None else torch.bmm(product, x)


def update_scale(rows: int, columns: int) -> float:
    """Factor that gives an orthogonalized update the size of AdamW's: .2 sqrt(max(m, n)) (arXiv 2502.16982, eq. 4)."""
    return 0.2 * math.sqrt(max(rows, columns))
