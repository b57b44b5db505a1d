"""What happens between two rounds of the blocks: re-entry into the embedding space, and halting."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models.fast.layout import Chosen


def reenter(hidden: Tensor, embedding: Tensor, temperature: float) -> Tensor:
    """h + softmax(t h W^T) W: the stream (N, D) moves towards the embeddings (V, D) of the tokens that it resembles."""
    weights_nv = (temperature * functional.linear(hidden, embedding)).softmax(-1)
    return hidden + functional.linear(weights_nv.to(hidden.dtype), embedding.t())


class Halting:
    """Keeps the stream of every token that has settled, without asking the device which these are.

    A token settles with the first round that changes its stream by at most `tolerance` of its length, and keeps what
    that round made of it. All rounds are computed for all tokens: sizes and branches depend on no value.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._moving: Tensor | None = None  # (N, 1) bool: None before the first round

    def __call__(self, before: Tensor, after: Tensor, chosen: Chosen | None) -> Tensor:
        """The stream after a round, (N, D), or (B * P, D) where the last one computes the chosen tokens only."""
        moving = self._moving
        if chosen is not None:
            before = chosen.of(before)
            moving = None if moving is None else chosen.of(moving.to(before.dtype)) > 0
        kept = after if moving is None else torch.where(moving, after, before)
        if chosen is None:
            with torch.no_grad():
                change = torch.linalg.vector_norm(after - before, dim=1, keepdim=True)
                unsettled = change > self._tolerance * torch.linalg.vector_norm(before, dim=1, keepdim=True)
                self._moving = unsettled if moving is None else moving & unsettled
        return kept
