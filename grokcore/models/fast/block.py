"""The block: a token mixer and a channel mixer on the residual stream.

What happens between two rounds of the blocks: re-entry into the embedding space, and settling.

Memory that blocks read beside their own MLP: what it returns is added to the residual stream.

Like a GPT-2's own MLP it is behind a LayerNorm and drawn as one: std .02, what writes to the stream divided by
sqrt(2 layers).

What the backbone has to know about an architecture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.conversion import Names
from grokcore.models.fast.layers import MLP
from grokcore.models.fast.layout import Chosen, Layout
from grokcore.spec.composition import MemoryMLP, MemorySlots, MemorySpec


class Block(nn.Module):
    """x <- x + token_mixer(norm(x));  x <- x + channel_mixer(norm(x)), the second where the architecture has one.

    A memory (`grokcore/models/fast/block.py`) adds to the stream beside the channel mixer: both read the same x.

    Args:
        token_mixer: (x (N, D), layout, chosen) -> (N, D), or (B * P, D) for the chosen tokens.
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
        self, hidden: Tensor, layout: Layout, chosen: Chosen | None = None, memory: nn.Module | None = None
    ) -> Tensor:
        """The stream after this block: of all tokens, or of the chosen ones, which is all that the last block owes."""
        mixed: Tensor = self.dropout(self.token_mixer(self.token_norm(hidden), layout, chosen))
        hidden = (hidden if chosen is None else chosen.of(hidden)) + mixed
        remembered = None if memory is None else self.dropout(memory(hidden))
        if self.channel_mixer is not None and self.channel_norm is not None:
            mixed = self.dropout(self.channel_mixer(self.channel_norm(hidden)))
            hidden = hidden + mixed
        return hidden if remembered is None else hidden + remembered


def reenter(hidden: Tensor, embedding: Tensor, temperature: float) -> Tensor:
    """h + softmax(t h W^T) W: the stream (N, D) moves towards the embeddings (V, D) of the tokens that it resembles."""
    weights_nv = (temperature * functional.linear(hidden, embedding)).softmax(-1)
    return hidden + functional.linear(weights_nv.to(hidden.dtype), embedding.t())


def settle(before: Tensor, after: Tensor, tolerance: float) -> Tensor:
    """The stream (N, D) after a round: of a token that the round would hardly change, what it was.

    A token is settled where |after - before| <= tolerance |before|, and stays so for as long as what it sees does.
    Nothing asks the device which these are: every round is computed for every token.
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
    """`content` of the normalised stream: an MLP, or slots."""

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
    def initialise(self, layers: int) -> None:
        """Draw it from torch's generator."""
        residual_std = 0.02 / math.sqrt(2 * layers)
        match self.content:
            case MLP() as mlp:
                for linear, std in ((mlp.input, 0.02), (mlp.output, residual_std)):
                    nn.init.normal_(linear.weight, std=std)
                    nn.init.zeros_(linear.bias)
            case Slots() as slots:
                nn.init.normal_(slots.keys, std=0.02)
                nn.init.normal_(slots.values, std=residual_std)


DECAYED = frozenset(f"memory.*.content.{name}" for name in ("input.weight", "output.weight", "keys", "values"))
NOT_DECAYED = frozenset({"memory.*.ln.weight", "memory.*.ln.bias", "memory.*.content.input.bias"}) | {
    "memory.*.content.output.bias"
}
"""Names of its parameters that `decay_groups: explicit` decays, and those that it spares."""


@dataclass(frozen=True)
class FastArchitecture:
    """How the parts of an architecture are made from its transformers configuration, and where their weights go."""

    block: Callable[[Any, int], nn.Module]
    """(configuration, number) -> a block: (hidden (N, D), layout, chosen, memory) -> (N, D) or (B * P, D)."""
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
    """Name of what the first block does to the embeddings: once, however often the block runs."""
    mlp: tuple[str, ...] = ("channel_norm", "channel_mixer")
    """Names of what a block does to single tokens, which layers can share; empty where it does nothing."""
    outputs: tuple[str, ...] = ("token_mixer.output", "channel_mixer.output")
    """Names of a block's projections into the residual stream."""
