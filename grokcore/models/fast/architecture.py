"""What the backbone has to know about an architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from grokcore.models.fast.conversion import Names


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
