"""A token embedding of low rank, E = A B, whose factors are both trained (embedding transfer, arXiv 2504.13292)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from grokcore.models.initialization import STD


class FactorizedEmbedding(nn.Module):
    """E (V, D) = A (V, R) B (R, D): A is another model's embedding, B fits it to this model's width.

    Attributes:
        factor: A, as drawn until the other model's embedding is loaded.
        projection: B.
    """

    def __init__(self, vocabulary_size: int, rank: int, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.empty(vocabulary_size, rank))
        self.projection = nn.Parameter(torch.empty(rank, width))

    @torch.no_grad()
    def initialize(self) -> None:
        """Draw B from N(0, 1/R) and A as GPT-2's embedding, from torch's generator.

        A row of E is about sqrt(D/R) times as long as one of A.
        """
        nn.init.normal_(self.projection, std=self.projection.shape[0] ** -0.5)
        nn.init.normal_(self.factor, std=STD)

    @property
    def weight(self) -> Tensor:
        """E, computed in fp32 under autocast too, as an embedding matrix would be looked up."""
        with torch.autocast(self.factor.device.type, enabled=False):
            return self.factor @ self.projection
