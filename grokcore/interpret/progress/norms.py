"""Norms of weights by role, and rank and largest singular value of every logical matrix.

Weights are those of `models/roles.py`: query, key and value are three matrices however they are stored, and a weight
that several blocks share counts once.

    weight_norm     |W|_2 over all parameters of a role (`case`), and over all of them (`case` empty)
    effective_rank  exp(H(p)), p_i = s_i / sum s, of the singular values s (Roy and Vetterli, EUSIPCO 2007)
    spectral_norm   s_1

Controls, `effective_rank_random` and `spectral_norm_random`, are those of a matrix of independent normal numbers of the
same shape and Frobenius norm. A matrix of a block has its number as layer; where blocks run several times, that of the
weights, not of the run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor

from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel
from grokcore.models.roles import layouts
from grokcore.spec.experiment import derived_seed
from grokcore.spec.training import Role

MATRICES = ("embedding", "position", "head", "matrix")
"""Roles whose parameters are matrices."""


def measure(subject: Subject) -> Iterator[Number]:
    """Yield the norms of all roles, then the numbers of every matrix."""
    yield from weight_norms(subject.model)
    random = subject.kept.setdefault("singular values of random matrices", {})
    for name, layer, matrix in matrices(subject.model):
        values = singular_values(matrix)
        if matrix.shape not in random:
            random[matrix.shape] = singular_values(_normal(matrix.shape, subject.analysis.seed))
        control = random[matrix.shape] * (values.norm() / random[matrix.shape].norm())
        for suffix, found in (("", values), ("_random", control)):
            yield Number(f"effective_rank{suffix}", effective_rank(found), 0, case=name, layer=layer)
            yield Number(f"spectral_norm{suffix}", found[0].item(), 0, case=name, layer=layer)


def weight_norms(model: SequenceModel) -> Iterator[Number]:
    """Yield |W|_2 of all weights, and of each role that the model has."""
    squares: dict[str, float] = defaultdict(float)
    described = layouts(model)
    for name, weight in model.named_parameters():
        squares[described[name].role] += weight.detach().double().square().sum().item()
    yield Number("weight_norm", sum(squares.values()) ** 0.5, 0)
    for role in get_args(Role):
        if role in squares:
            yield Number("weight_norm", squares[role] ** 0.5, 0, case=role)


def matrices(model: SequenceModel) -> Iterator[tuple[str, int | None, Tensor]]:
    """Yield (name, number of the block or None, matrix) of every logical matrix; parts of one are numbered from 0."""
    described = layouts(model)
    for name, weight in model.named_parameters():
        layout = described[name]
        if layout.role not in MATRICES or weight.ndim != 2:
            continue
        block = re.search(r"\bblocks\.(\d+)\.", name)
        parts = layout.split(weight.detach())
        for place, part in enumerate(parts):
            yield f"{name}[{place}]" if len(parts) > 1 else name, int(block[1]) if block else None, part


def singular_values(matrix: Tensor) -> Tensor:
    """Return the singular values of (M, N), descending, fp64 on the CPU."""
    values: Tensor = torch.linalg.svdvals(matrix.cpu().double())
    return values


def effective_rank(values: Tensor) -> float:
    """Return exp(H(s / sum s)) of singular values (K,): K where all are equal, NaN where all are 0."""
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def _normal(shape: torch.Size, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(derived_seed(seed, f"random matrix of {tuple(shape)}"))
    return torch.randn(shape, generator=generator, dtype=torch.float64)
