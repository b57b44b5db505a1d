"""Blocks of the fast models: token mixer, channel mixer and memory on the residual stream, and loops over blocks.

Between two rounds of the blocks the stream may re-enter through the embedding space, and converged tokens are held.
`FastArchitecture` describes the parts of one architecture to the backbone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.architecture import MATRIX, VECTOR
from grokcore.models.fast.conversion import Names
from grokcore.models.fast.layers import MLP
from grokcore.models.fast.layout import Layout, Selection
from grokcore.spec.composition import MemoryMLP, MemorySlots, MemorySpec


class Block(nn.Module):
    """x <- x + token_mixer(norm(x));  x <- x + channel_mixer(norm(x)), the second where the architecture has one.

    A memory (`grokcore/models/fast/block.py`) adds to the stream beside the channel mixer: both read the same x.

    Args:
        token_mixer: (x (N, D), layout, selected) -> (N, D), or (B * P, D) for the selected tokens.
        channel_mixer: (N, D) -> (N, D), each token for itself.
        dropout: of what a mixer adds to the stream.
    """

    def __init__(
        self,
        token_norm: nn.Module,
        token_mixer: nn.Module,
        channel_norm: nn.Module | None = None,
        channel_mixer: nn.Module | None = None,
        dropout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.token_norm, self.token_mixer = token_norm, token_mixer
        self.channel_norm, self.channel_mixer = channel_norm, channel_mixer
        self.dropout = dropout or nn.Identity()

    def forward(
        self, hidden: Tensor, layout: Layout, selected: Selection | None = None, memory: nn.Module | None = None
    ) -> Tensor:
        """Return the stream after this block: of all tokens, or in the last block only of the selected ones."""
        mixed: Tensor = self.dropout(self.token_mixer(self.token_norm(hidden), layout, selected))
        hidden = (hidden if selected is None else selected.of(hidden)) + mixed
        remembered = None if memory is None else self.dropout(memory(hidden))
        if self.channel_mixer is not None and self.channel_norm is not None:
            mixed = self.dropout(self.channel_mixer(self.channel_norm(hidden)))
            hidden = hidden + mixed
        return hidden if remembered is None else hidden + remembered


def reenter(hidden: Tensor, embedding: Tensor, temperature: float) -> Tensor:
    """h + softmax(t h W^T) W: the stream (N, D) moves towards the embeddings (V, D) of the tokens that it resembles."""
    weights_nv = (temperature * functional.linear(hidden, embedding)).softmax(-1)
    return hidden + functional.linear(weights_nv.to(hidden.dtype), embedding.t())


def hold_converged(before: Tensor, after: Tensor, tolerance: float) -> Tensor:
    """Return the stream (N, D) after a round, with converged tokens as they were before it.

    A token has converged where |after - before| <= tolerance |before|, and stays so for as long as the tokens that it
    sees do. Every round is computed for every token, so that no value is read from the device.
    """
    with torch.no_grad():
        change = torch.linalg.vector_norm(after - before, dim=1, keepdim=True)
        moves = change > tolerance * torch.linalg.vector_norm(before, dim=1, keepdim=True)
    return torch.where(moves, after, before)


class Slots(nn.Module):
    """softmax(x K^T) V over M learned keys and values, for every token by itself (arXiv 1907.01470, section 4)."""

    def __init__(self, width: int, slots: int) -> None:
        super().__init__()
        self.keys, self.values = (nn.Parameter(torch.empty(slots, width)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) -> (N, D)."""
        weights = functional.linear(x, self.keys).softmax(-1)
        return functional.linear(weights.to(x.dtype), self.values.t())


class Memory(nn.Module):
    """An MLP, or slots, that reads the normalized stream, and whose result is added to the stream.

    Behind a LayerNorm and initialized like GPT-2's MLP: std .02, its projection into the stream divided by
    sqrt(2 layers)."""

    def __init__(self, spec: MemorySpec, width: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(width)
        self.content: nn.Module
        match spec:
            case MemoryMLP(width=hidden):
                self.content = MLP(width, hidden)
            case MemorySlots(slots=slots):
                self.content = Slots(width, slots)

    def forward(self, hidden: Tensor) -> Tensor:
        """The stream (N, D) -> what is added to it."""
        remembered: Tensor = self.content(self.ln(hidden))
        return remembered

    @torch.no_grad()
    def initialize(self, layers: int) -> None:
        """Draw the weights from torch's generator."""
        residual_std = 0.02 / math.sqrt(2 * layers)
        match self.content:
            case MLP() as mlp:
                for linear, std in ((mlp.input, 0.02), (mlp.output, residual_std)):
                    nn.init.normal_(linear.weight, std=std)
                    nn.init.zeros_(linear.bias)
            case Slots() as slots:
                nn.init.normal_(slots.keys, std=0.02)
                nn.init.normal_(slots.values, std=residual_std)


MEMORY_PARAMETERS = {
    "memory.*.ln.weight": VECTOR,
    "memory.*.ln.bias": VECTOR,
    "memory.*.content.input.weight": MATRIX,
    "memory.*.content.input.bias": VECTOR,
    "memory.*.content.output.weight": MATRIX,
    "memory.*.content.output.bias": VECTOR,
    "memory.*.content.keys": MATRIX,
    "memory.*.content.values": MATRIX,
}
"""Its parameters, which no architecture lists."""


@dataclass(frozen=True)
class FastArchitecture:
    """How the parts of an architecture are made from its configuration, and where transformers keeps their weights."""

    block: Callable[[Any, int], nn.Module]
    """(configuration, number) -> a block: (hidden (N, D), layout, selected, memory) -> (N, D) or (B * P, D)."""
    final_norm: Callable[[Any], nn.Module]
    names: Names
    """Where transformers keeps each weight."""
    embedding_dropout: Callable[[Any], nn.Module] = lambda config: nn.Identity()
    position_embeddings: Callable[[Any], int | None] = lambda config: None
    """Number of learned positions, if positions are embedded."""
    longest: Callable[[Any], int | None] = lambda config: None
    """Longest sequence in tokens, if there is a limit."""
    dropouts: Callable[[Any], tuple[float, ...]] = lambda config: ()
    """All its dropout probabilities."""
    entrance: str | None = None
    """Name of a module of the first block that is applied to the embeddings once, however often the block runs."""
    mlp: tuple[str, ...] = ("channel_norm", "channel_mixer")
    """Names of a block's modules that act on single tokens, which layers can share; empty if there are none."""
    outputs: tuple[str, ...] = ("token_mixer.output", "channel_mixer.output")
    """Names of a block's projections into the residual stream."""
