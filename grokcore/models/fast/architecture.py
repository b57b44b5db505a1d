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
    """(configuration, number) -> a block: (hidden (N, D), layout, chosen) -> (N, D) or (B * P, D)."""
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
