"""What happens between two rounds of the blocks: re-entry into the embedding space, and settling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
