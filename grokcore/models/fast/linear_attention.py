"""Linear attention for short sequences; `grokcore/models/linear_attention.py` describes the architecture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast import gpt2
from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.layers import MLP
from grokcore.models.fast.layout import Layout, Selection, by_heads, in_full, joined, over_sequences

EPSILON = 1e-6
"""Added to the sum of the weights, which is 0 where all features of a query or of the keys have vanished."""


def attend_linearly(
    query: Tensor, key: Tensor, value: Tensor, heads: int, layout: Layout, selected: Selection | None
) -> Tensor:
    """sum_i phi(q_t) phi(k_i) v_i / sum_i phi(q_t) phi(k_i), i <= t, phi(x) = elu(x) + 1 (equations 5, 7 and 9).

    Args:
        query: (N, D), or (Q, D) of the selected tokens.
        key: (N, D).
        value: (N, D).

    Returns:
        (N, D) or (Q, D), in fp32 at least.
    """
    query_full, key_full, value_full = in_full(query, key, value)

    def mix(query_bqd: Tensor, given_bte: Tensor, masked_bqt: Tensor) -> Tensor:
        k, v = (by_heads(part, heads) for part in given_bte.chunk(2, dim=2))
        weights_bhqt = (by_heads(query_bqd, heads) @ k.transpose(2, 3)).masked_fill(masked_bqt[:, None], 0)
        return joined(weights_bhqt @ v / (weights_bhqt.sum(-1, keepdim=True) + EPSILON))

    query_full, key_full = functional.elu(query_full) + 1, functional.elu(key_full) + 1
    return over_sequences(mix, query_full, torch.cat((key_full, value_full), dim=1), layout, selected)


class LinearAttention(nn.Module):
    """GPT-2's self-attention, weights and all, with other weights of the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
        """(N, D) -> (N, D) or, with queries of the selected tokens alone, (B * P, D)."""
        sizes = (self.width, 2 * self.width)
        if selected is None:
            query, key_value = self.query_key_value(x).split(sizes, dim=1)
        else:
            query_weight, key_value_weight = self.query_key_value.weight.split(sizes)
            query_bias, key_value_bias = self.query_key_value.bias.split(sizes)
            query = functional.linear(selected.of(x), query_weight, query_bias)
            key_value = functional.linear(x, key_value_weight, key_value_bias)
        key, value = key_value.chunk(2, dim=1)
        mixed = attend_linearly(query, key, value, self.heads, layout, selected)
        result: Tensor = self.output(mixed)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return phi(q_t) phi(k_i) / sum_j phi(q_t) phi(k_j), (B, H, T, T), for a normalized input (N, D)."""
        query, key, _ = in_full(*self.query_key_value(x).chunk(3, dim=1))
        q, k = (by_heads(layout.of_examples(functional.elu(part) + 1), self.heads) for part in (query, key))
        weights_bhtt = (q @ k.transpose(2, 3)).masked_fill(layout.masked[:, None], 0)
        return weights_bhtt / (weights_bhtt.sum(-1, keepdim=True) + EPSILON)


def block(config: Any, number: int) -> Block:
    width = config.hidden_size
    return Block(
        nn.LayerNorm(width), LinearAttention(width, config.heads), nn.LayerNorm(width), MLP(width, config.mlp_width)
    )


FAST = FastArchitecture(
    block=block,
    final_norm=lambda config: nn.LayerNorm(config.hidden_size),
    position_embeddings=lambda config: config.max_position_embeddings,
    longest=lambda config: config.max_position_embeddings,
    names=gpt2.FAST.names,
)
