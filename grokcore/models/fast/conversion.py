"""Weights between our names and those of transformers, both ways, without loss."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
"""Stored weights by our name, with `*` for the number of a block."""


def same(name: str) -> Stored:
    return Stored((name,))


class OwnNames(dict[str, Stored]):
    """Names of an architecture that transformers does not know: every weight keeps its own."""

    def __missing__(self, name: str) -> Stored:
        return same(name)


Places = Callable[[str], Sequence[int]]
"""(our name of a parameter of a block) -> the numbers of the blocks of transformers that hold it."""


def own_place(name: str) -> Sequence[int]:
    """The block's own number, where no block shares its weights."""
    return (int(name.split(".")[1]),)


def transformers_names(name: str, names: Names, places: Places = own_place) -> tuple[str, ...]:
    """Return the names in transformers of our parameter `name`, one for each copy.

    Raises:
        KeyError: the architecture does not list it.
    """
    return tuple(other for copy in _copies(name, names, places) for other in copy)


def from_transformers(
    weights: Mapping[str, Tensor],
    ours: Mapping[str, Tensor],
    names: Names,
    places: Places = own_place,
    *,
    drawn: bool = False,
) -> dict[str, Tensor]:
    """Convert weights of transformers to our names and shapes; `ours` are the model's parameters.

    Args:
        drawn: they are new and nothing has shared them yet, so that the first copy stands for all.

    Raises:
        ValueError: a weight is missing, unknown, has another shape, or its copies differ.
    """
    converted: dict[str, Tensor] = {}
    used: set[str] = set()
    for name, parameter in ours.items():
        first, *others = _copies(name, names, places)
        converted[name] = _from_copy(weights, first, _stored(name, names), parameter.shape)
        used.update(first)
        for copy in others:
            used.update(copy)
            if not drawn and any(
                mine not in weights or not torch.equal(weights[theirs], weights[mine])
                for theirs, mine in zip(first, copy, strict=True)
            ):
                raise ValueError(f"{copy[0]} must equal {first[0]}, with which it shares its weights")
    unknown = sorted(weights.keys() - used)
    if unknown:
        raise ValueError(f"the weight {unknown[0]} is unknown")
    return converted


def _from_copy(weights: Mapping[str, Tensor], theirs: tuple[str, ...], stored: Stored, shape: torch.Size) -> Tensor:
    missing = [other for other in theirs if other not in weights]
    if missing:
        raise ValueError(f"the weight {missing[0]} is missing")
    parts = [weights[other] for other in theirs]
    if stored.transposed:
        parts = [part.t() for part in parts]
    if stored.unsqueezed is not None:
        parts = [part.squeeze(stored.unsqueezed) for part in parts]
    weight = parts[0] if len(parts) == 1 else torch.cat(parts)
    if weight.shape != shape:
        shapes = [list(weights[other].shape) for other in theirs]
        raise ValueError(f"{theirs[0]} has the shape {shapes[0]}, which does not make {list(shape)}")
    return weight


def to_transformers(ours: Mapping[str, Tensor], names: Names, places: Places = own_place) -> dict[str, Tensor]:
    """Convert weights to the names and shapes of transformers, as contiguous copies."""
    converted = {}
    for name, weight in ours.items():
        stored = _stored(name, names)
        for theirs in _copies(name, names, places):
            for other, part in zip(theirs, weight.chunk(len(theirs)), strict=True):
                if stored.transposed:
                    part = part.t()
                if stored.unsqueezed is not None:
                    part = part.unsqueeze(stored.unsqueezed)
                converted[other] = part.detach().clone(memory_format=torch.contiguous_format)
    return converted


def _copies(name: str, names: Names, places: Places) -> list[tuple[str, ...]]:
    """The names of each copy."""
    stored = _stored(name, names)
    if not name.startswith("blocks."):
        return [stored.names]
    return [tuple(other.replace("*", str(place)) for other in stored.names) for place in places(name)]


def _stored(name: str, names: Names) -> Stored:
    if name.startswith("memory."):
        return same(name)  # transformers has none
    return names[re.sub(r"\.\d+\.", ".*.", name, count=1)]
