"""RetNet for short sequences; `grokcore/models/retnet.py` describes the architecture."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.conversion import OwnNames
from grokcore.models.fast.decayed_attention import attend_decaying
from grokcore.models.fast.layers import MLP, exact_gelu, gelu, rotary
from grokcore.models.fast.layout import Layout, Selection, in_full, weights_of

ACTIVATIONS = {"gelu": exact_gelu, "gelu_new": gelu}
"""GELU exactly and by its tanh approximation, under the names that transformers gives them."""


class Retention(nn.Module):
    """W_O (swish(X W_G) * GroupNorm(heads)), with a decay for each head (arXiv 2307.08621, section 2.3, equation 8).

      Retention(X) = (Q K^T * D) V,  D_tm = gamma^(t - m) for m <= t,  Q = (X W_Q) * Theta, K = (X W_K) * conj(Theta)

    The scores are divided by sqrt(d), as its code does; what it divides a token's scores by further (section 2.3,
    "Retention score normalization") cancels in the norm of each head, but for the norm's epsilon.

    Args:
        to_base: spacing of the rotary frequencies (`rotary`).
    """

    def __init__(self, width: int, heads: int, rotary_base: float, epsilon: float, *, to_base: bool) -> None:
        super().__init__()
        self.width, self.heads, self.epsilon = width, heads, epsilon
        self.rotation = partial(rotary, size=width // heads, base=rotary_base, to_base=to_base)
        self.query_gate = nn.Linear(width, 3 * width, bias=False)
        self.key_value = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
        """(N, D) -> (N, D) or, with queries of the selected tokens alone, (B * P, D)."""
        width = self.width
        positions = layout.position_ids
        asked_at = positions if selected is None else positions[selected.rows]
        query_gate = self.query_gate(x if selected is None else selected.of(x))
        query, gate = self.rotation(query_gate, asked_at, width).split((width, 2 * width), 1)
        key_value = self.rotation(self.key_value(x), positions, width)
        key, value = key_value.split((width, 2 * width), dim=1)
        mixed = self._retained(query, key, value, layout, selected)
        mixed = functional.layer_norm(
            mixed.unflatten(1, (self.heads, -1)), (2 * width // self.heads,), eps=self.epsilon
        ).flatten(1)
        result: Tensor = self.output(functional.silu(gate) * mixed)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return Q K^T * D, (B, H, T, T), for a normalized input (N, D)."""
        parts = (project(x)[:, : self.width] for project in (self.query_gate, self.key_value))
        query, key = (self.rotation(part, layout.position_ids, self.width) for part in parts)
        return weights_of(lambda value: self._retained(query, key, value, layout, None), key, self.heads, layout)

    def _retained(
        self, query: Tensor, key: Tensor, value: Tensor, layout: Layout, selected: Selection | None
    ) -> Tensor:
        """(Q K^T * D) V of all heads."""
        log_gamma = log_decays(self.heads, key.device).to(in_full(key)[0].dtype).expand(len(key), -1)
        query = query / math.sqrt(self.width // self.heads)
        return attend_decaying(query, key, value, log_gamma, self.heads, layout, selected)


def log_decays(heads: int, device: torch.device) -> Tensor:
    """(H,) log gamma in fp64, with gamma = 1 - 2^(-5 - h) for h = 0, 1, ... (equation 8)."""
    return torch.log1p(-(2.0 ** (-5 - torch.arange(heads, device=device, dtype=torch.float64))))


def block(config: Any, number: int) -> Block:
    width, epsilon = config.hidden_size, config.norm_epsilon
    # Files written before these fields existed hold models that were computed with the values on the right.
    to_base, activation = getattr(config, "rotary_to_base", False), getattr(config, "hidden_act", "gelu_new")
    return Block(
        nn.LayerNorm(width, epsilon),
        Retention(width, config.heads, config.rotary_base, epsilon, to_base=to_base),
        nn.LayerNorm(width, epsilon),
        MLP(width, config.mlp_width, ACTIVATIONS[activation]),
    )


FAST = FastArchitecture(
    block=block,
    final_norm=lambda config: nn.LayerNorm(config.hidden_size, config.norm_epsilon),
    longest=lambda config: config.max_position_embeddings,
    names=OwnNames(),
)
