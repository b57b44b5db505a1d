"""Size and arithmetic of a stack of blocks, whatever it is composed of."""

from __future__ import annotations

from typing import Any

from grokcore.models.composition import Composition
from grokcore.models.registry import ARCHITECTURES
from grokcore.spec.models.base import Model
from grokcore.spec.models.memory import MemoryMLP, MemorySlots, MemorySpec


def block_parameters(spec: Any, layers: int) -> int:
    """Parameters of `layers` blocks, what they share counted once, and of their memory."""
    architecture, composition = ARCHITECTURES[spec.architecture], Composition.of(spec)
    parameters = layers * architecture.block_parameters(spec)
    if composition.shares_mlp:
        parameters -= (layers - 1) * architecture.mlp_parameters(spec)
    return parameters + _memory_parameters(composition.memory, spec.width, layers)


def block_flops(spec: Any, layers: int, tokens: int) -> float:
    """Operations of a forward pass of one sequence through all the runs of `layers` blocks, as `Architecture` counts.

    Of a random number of loops the mean, of an adaptive one the most, since all of these are computed.
    """
    each: float = ARCHITECTURES[spec.architecture].block_flops(spec, tokens)
    remembering = 4 * tokens * spec.width * _memory_size(Composition.of(spec).memory)
    flops: float = mean_passes(spec, layers) * (each + remembering)
    return flops


def mean_passes(spec: Model, layers: int) -> float:
    """How many blocks a training step runs the stream through, on average."""
    composition = Composition.of(spec)
    (first, *others) = composition.rounds(layers, 1)
    return composition.mean_loops * len(first) + sum(map(len, others))


def reentry_flops(spec: Model, *, vocabulary_size: int, tokens: int) -> float:
    """Operations of the way through the embedding space between rounds: two products with the embedding matrix."""
    composition = Composition.of(spec)
    if composition.reentry is None:
        return 0.0
    rounds = composition.mean_loops * len(composition.rounds(1, 1))
    return (rounds - 1) * 4 * tokens * spec.width * vocabulary_size


def _memory_size(memory: MemorySpec | None) -> int:
    """Hidden width, or slots."""
    match memory:
        case MemoryMLP(width=size) | MemorySlots(slots=size):
            return size
    return 0


def _memory_parameters(memory: MemorySpec | None, width: int, layers: int) -> int:
    match memory:
        case MemoryMLP(width=hidden):
            each = 2 * width * hidden + hidden + width
        case MemorySlots(slots=slots):
            each = 2 * width * slots
        case None:
            return 0
    norm = 2 * width
    return memory.places(layers) * (each + norm)
