"""GLA for short sequences; `grokcore/models/gla.py` describes the architecture."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.conversion import OwnNames
from grokcore.models.fast.decayed_attention import attend_decaying
from grokcore.models.fast.layers import RMSNorm, SwiGLU
from grokcore.models.fast.layout import Layout, Selection, in_full, weights_of


class GatedLinearAttention(nn.Module):
    """W_O (swish(W_r x) * norm(o)) (arXiv 2312.06635, section 4.4), each head for itself with a state S:

      S_t = Diag(alpha_t) S_(t-1) + k_t^T v_t,  o_t = q_t S_t,  alpha_t = sigmoid(W_2 W_1 x_t + b)^(1 / tau)

    Queries are divided by the root of their size, heads normalized by their root mean square, and the output's gate has
    no bias, as in the authors' code.
    """

    def __init__(self, width: int, heads: int, rank: int, temperature: float, epsilon: float) -> None:
        super().__init__()
        self.heads, self.keys, self.temperature, self.epsilon = heads, width // 2, temperature, epsilon
        self.sizes = (width // 2, width)
        self.query_gate = nn.Linear(width, width // 2 + width, bias=False)
        self.key_value = nn.Linear(width, width // 2 + width, bias=False)
        self.forget_low_rank = nn.Linear(width, rank, bias=False)
        self.forget = nn.Linear(rank, width // 2)
        self.norm_weight = nn.Parameter(torch.ones(width // heads))
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
        """(N, D) -> (N, D) or, with queries of the selected tokens alone, (B * P, D)."""
        query, gate = self.query_gate(x if selected is None else selected.of(x)).split(self.sizes, dim=1)
        key, value = self.key_value(x).split(self.sizes, dim=1)
        mixed = self._attended(query, key, value, self._log_alpha(x), layout, selected)
        mixed = functional.rms_norm(
            mixed.unflatten(1, (self.heads, -1)), self.norm_weight.shape, self.norm_weight, self.epsilon
        ).flatten(1)
        result: Tensor = self.output(functional.silu(gate) * mixed)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return (q_t * exp(b_t - b_i)) . k_i, (B, H, T, T), for a normalized input (N, D)."""
        query, key = self.query_gate(x)[:, : self.keys], self.key_value(x)[:, : self.keys]
        log_alpha = self._log_alpha(x)

        def mix(value: Tensor) -> Tensor:
            return self._attended(query, key, value, log_alpha, layout, None)

        return weights_of(mix, key, self.heads, layout)

    def _log_alpha(self, x: Tensor) -> Tensor:
        (logit,) = in_full(self.forget(self.forget_low_rank(x)))
        return functional.logsigmoid(logit) / self.temperature

    def _attended(
        self, query: Tensor, key: Tensor, value: Tensor, log_alpha: Tensor, layout: Layout, selected: Selection | None
    ) -> Tensor:
        query = query / math.sqrt(self.keys // self.heads)
        return attend_decaying(query, key, value, log_alpha, self.heads, layout, selected)


def block(config: Any, number: int) -> Block:
    return Block(
        norm(config),
        GatedLinearAttention(
            config.hidden_size, config.heads, config.gate_rank, config.gate_temperature, config.norm_epsilon
        ),
        norm(config),
        SwiGLU(config.hidden_size, config.mlp_width),
    )


def norm(config: Any) -> nn.Module:
    return RMSNorm(config.hidden_size, config.norm_epsilon)


FAST = FastArchitecture(block=block, final_norm=norm, names=OwnNames())
