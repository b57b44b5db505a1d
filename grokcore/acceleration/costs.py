"""Floating point operations that methods add to an optimizer step, counted from their formulas.

An addition, a multiplication, a square root or a comparison is one operation, as in the model's FLOPs; a product of
matrices (m, k) and (k, n) is 2 m k n. AdamW's own operations, about 12 for each weight, count for no method, and
nothing is subtracted where a method does fewer.
"""

from __future__ import annotations

from collections.abc import Mapping

from grokcore.spec.training import GradientFilterName, LossName, OptimizerName, ProjectionName

OF_OPTIMIZER: Mapping[OptimizerName, int] = {"adamw": 0, "adam": 0, "sgd": 0, "muon": 0, "lion": 0}
"""Operations per weight beyond AdamW's; products of matrices are `newton_schulz_flops`."""

OF_FILTER: Mapping[GradientFilterName, int] = {
    "none": 0,
    "grokfast": 5,  # mu + share (g - mu): 3;  g + gain mu: 2
    "orthograd": 11,  # w.g, w.w, |g| and |g'|: 2 each;  g - c w: 2;  the scale: 1
    "normalize": 3,  # |g|: 2;  the scale: 1
}
"""Operations per weight."""

OF_PROJECTION: Mapping[ProjectionName, int] = {"none": 0, "norm_ball": 3, "row_norm": 3}
"""Operations per projected weight: 2 for the norm, 1 for the scale."""

OF_LOSS: Mapping[LossName, int] = {"cross_entropy": 0, "cross_entropy_fp64": 0, "stablemax": 4}
"""Operations per logit beyond cross-entropy's, in the forward pass: |x|, 1 + |x|, its logarithm, the sign."""

OF_TEMPERATURE = 1
"""Per logit in the forward pass: the division by a temperature other than 1."""


def is_wide(rows: int, columns: int) -> bool:
    """Tell whether orthogonalizing iterates on the Gram matrix (m, m) of a matrix (m, n), m <= n."""
    return columns >= 2 * rows


def newton_schulz_flops(rows: int, columns: int, iterations: int) -> float:
    """Operations that orthogonalize one matrix (m, n), m <= n, whichever way it is stored.

    Each iteration computes X X^T (2 m^2 n), A A (2 m^3) and B X (2 m^2 n). On the Gram matrix each computes A A and Q P
    and, but for the last, Q A Q; X X^T and P X are computed once. The norm before them takes 3 m n.
    """
    m, n = sorted((rows, columns))
    if not iterations:
        return 3.0 * m * n
    if is_wide(m, n):
        return float(4 * m * m * n + (8 * iterations - 6) * m**3 + 3 * m * n)
    return float(iterations * (4 * m * m * n + 2 * m**3) + 3 * m * n)
