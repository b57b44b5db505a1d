"""Mixers that several architectures share: self-attention, and MLPs that act on single tokens."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.activations import gelu, swiglu
from grokcore.models.fast.attention import attention
from grokcore.models.fast.layout import Chosen, Layout

Rotation = Callable[[Tensor, Tensor, int], Tensor]
"""(queries, keys or both (N, C), positions (N,), columns to turn) -> the same, turned by their positions."""


def dropout(probability: float) -> nn.Module:
    """Dropout, or nothing at all: torch draws a mask for probability 0 too."""
    return nn.Dropout(probability) if probability else nn.Identity()


class SelfAttention(nn.Module):
    """Queries, keys and values by one matrix, attention, and the projection back into the residual stream."""

    def __init__(
        self, width: int, heads: int, *, bias: bool, weight_dropout: float = 0.0, rotation: Rotation | None = None
    ) -> None:
        super().__init__()
        self.width, self.heads, self.weight_dropout, self.rotation = width, heads, weight_dropout, rotation
        self.query_key_value = nn.Linear(width, 3 * width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor, layout: Layout, chosen: Chosen | None) -> Tensor:
        """(N, D) -> (N, D) or, with queries of the chosen tokens alone, (B * P, D)."""
        if chosen is None:
            query, key_value = None, self.query_key_value(x)
            if self.rotation is not None:
                key_value = self.rotation(key_value, layout.position_ids, 2 * self.width)
        else:
            projection, sizes = self.query_key_value, (self.width, 2 * self.width)
            query_weight, key_value_weight = projection.weight.split(sizes)
            query_bias, key_value_bias = (None, None) if projection.bias is None else projection.bias.split(sizes)
            query = functional.linear(chosen.of(x), query_weight, query_bias)
            key_value = functional.linear(x, key_value_weight, key_value_bias)
            if self.rotation is not None:
                query = self.rotation(query, layout.position_ids[chosen.rows], self.width)
                key_value = self.rotation(key_value, layout.position_ids, self.width)
        weight_dropout = self.weight_dropout if self.training else 0.0
        mixed = attention(query, key_value, self.heads, layout, chosen, weight_dropout)
        result: Tensor = self.output(mixed)
        return result


class MLP(nn.Module):
    """W_out gelu(W_in x), by default with the tanh approximation of GELU (arXiv 1606.08415) that GPT-2 has."""

    def __init__(self, width: int, hidden: int, activation: Callable[[Tensor], Tensor] = gelu) -> None:
        super().__init__()
        self.input, self.output, self.activation = nn.Linear(width, hidden), nn.Linear(hidden, width), activation

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.output(self.activation(self.input(x)))
        return result


class SwiGLU(nn.Module):
    """W_out (silu(W_gate x) * W_up x), without biases (arXiv 2002.05202); gate and up are one matrix."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_up, self.output = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.output(swiglu(self.gate_up(x)))
        return result
