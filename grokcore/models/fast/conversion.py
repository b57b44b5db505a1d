"""Weights between our names and those of transformers, both ways, without loss."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stored:
    """Where transformers keeps one of our weights; `*` stands for the number of a block.

    Attributes:
        names: one name, or several whose weights are stacked along the first dimension here.
        transposed: whether transformers keeps the transpose, as GPT-2's Conv1D does.
        unsqueezed: the dimension of size 1 that transformers has and we have not.
    """

    names: tuple[str, ...]
    transposed: bool = False
    unsqueezed: int | None = None


Names = Mapping[str, Stored]
"""By our name, with `*` for the number of a block."""


def same(name: str) -> Stored:
    return Stored((name,))


def transformers_names(name: str, names: Names) -> tuple[str, ...]:
    """What transformers calls the parameter that we call `name`.

    Raises:
        KeyError: the architecture does not list it.
    """
    return tuple(_numbered(other, name) for other in _stored(name, names).names)


def from_transformers(weights: Mapping[str, Tensor], ours: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Weights by our names and in our shapes, from those of transformers; `ours` says which parameters there are.

    Raises:
        ValueError: a weight is missing, unknown, or has another shape.
    """
    converted: dict[str, Tensor] = {}
    used: set[str] = set()
    for name, parameter in ours.items():
        stored, theirs = _stored(name, names), transformers_names(name, names)
        used.update(theirs)
        missing = [other for other in theirs if other not in weights]
        if missing:
            raise ValueError(f"the weight {missing[0]} is missing")
        parts = [weights[other] for other in theirs]
        if stored.transposed:
            parts = [part.t() for part in parts]
        if stored.unsqueezed is not None:
            parts = [part.squeeze(stored.unsqueezed) for part in parts]
        weight = parts[0] if len(parts) == 1 else torch.cat(parts)
        if weight.shape != parameter.shape:
            shapes = [list(weights[other].shape) for other in theirs]
            raise ValueError(f"{theirs[0]} has the shape {shapes[0]}, which does not make {list(parameter.shape)}")
        converted[name] = weight
    unknown = sorted(weights.keys() - used)
    if unknown:
        raise ValueError(f"the weight {unknown[0]} is unknown")
    return converted


def to_transformers(ours: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Weights by the names and in the shapes of transformers, contiguous copies."""
    converted = {}
    for name, weight in ours.items():
        stored, theirs = _stored(name, names), transformers_names(name, names)
        for other, part in zip(theirs, weight.chunk(len(theirs)), strict=True):
            if stored.transposed:
                part = part.t()
            if stored.unsqueezed is not None:
                part = part.unsqueeze(stored.unsqueezed)
            converted[other] = part.detach().clone(memory_format=torch.contiguous_format)
    return converted


def _stored(name: str, names: Names) -> Stored:
    return names[re.sub(r"\.\d+\.", ".*.", name)]


def _numbered(pattern: str, name: str) -> str:
    number = re.search(r"\.(\d+)\.", name)
    return pattern if number is None else pattern.replace("*", number[1])
