"""RWKV-6 for short sequences; `grokcore/models/rwkv6.py` describes it. Its channel mixing is RWKV-4's."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.block import FastArchitecture
from grokcore.models.fast.conversion import OwnNames
from grokcore.models.fast.decayed_attention import FORGOTTEN, attend_decaying
from grokcore.models.fast.layout import Layout, in_full, weights_of
from grokcore.models.fast.rwkv import RWKVBlock
from grokcore.models.fast.token_shift import token_before

SHIFTS = 5
"""Of receptance, gate, key, value and decay."""


class TimeMixing(nn.Module):
    """W_o (silu(g) * GroupNorm(r wkv)) (arXiv 2404.05892, section 4.2, equations 14 to 20), each head with a state S:

      r_t (S_(t-1) + diag(u) k_t^T v_t),  S_t = diag(w_t) S_(t-1) + k_t^T v_t,  w_t = exp(-exp(d_t))

    r, k, v, g and d are read off a token and the one before it, mixed by shares that these two tokens set.

    Args:
        epsilon: of the norm of each head.
    """

    def __init__(self, width: int, heads: int, mix_rank: int, decay_rank: int, epsilon: float) -> None:
        super().__init__()
        self.heads, self.epsilon = heads, epsilon
        self.common_shift, self.shift = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(SHIFTS, width))
        self.shift_down = nn.Parameter(torch.empty(width, SHIFTS * mix_rank))
        self.shift_up = nn.Parameter(torch.empty(SHIFTS, mix_rank, width))
        self.decay, self.bonus = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))
        self.decay_down = nn.Parameter(torch.empty(width, decay_rank))
        self.decay_up = nn.Parameter(torch.empty(decay_rank, width))
        self.receptance, self.gate, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(5)
        )
        self.norm_weight, self.norm_bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, layout: Layout, rows: Tensor | None = None) -> Tensor:
        """(N, D) -> (N, D) or, at `rows` (Q,) alone, (Q, D)."""
        for_receptance, for_gate, for_key, for_value, for_decay = self._shifted(x, layout)
        key, value = self.key(for_key), self.value(for_value)
        mixed = self._attended(self.receptance(for_receptance), key, value, self._log_w(for_decay), layout)
        if rows is not None:
            mixed, for_gate = functional.embedding(rows, mixed), functional.embedding(rows, for_gate)
        normed = functional.layer_norm(
            mixed.unflatten(1, (self.heads, -1)), (len(self.bonus) // self.heads,), eps=self.epsilon
        )
        normed = normed.flatten(1) * self.norm_weight + self.norm_bias
        result: Tensor = self.output(functional.silu(self.gate(for_gate)) * normed)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return r_t diag(decay from i to t, or u for i = t) k_i^T, (B, H, T, T), for a normalized input (N, D)."""
        for_receptance, _, for_key, _, for_decay = self._shifted(x, layout)
        receptance, key, log_w = self.receptance(for_receptance), self.key(for_key), self._log_w(for_decay)
        return weights_of(lambda value: self._attended(receptance, key, value, log_w, layout), key, self.heads, layout)

    def _log_w(self, for_decay: Tensor) -> Tensor:
        (logit,) = in_full(self.decay + torch.tanh(for_decay @ self.decay_down) @ self.decay_up)
        return -logit.clamp_max(math.log(-FORGOTTEN)).exp()

    def _attended(self, receptance: Tensor, key: Tensor, value: Tensor, log_w: Tensor, layout: Layout) -> Tensor:
        """r wkv of all heads."""
        before = attend_decaying(receptance, key, value, log_w, self.heads, layout, None, itself=False)
        r, u, k, v = in_full(receptance, self.bonus, key, value)
        itself = (r * u * k).unflatten(1, (self.heads, -1)).sum(2, keepdim=True) * v.unflatten(1, (self.heads, -1))
        mixed: Tensor = before + itself.flatten(1)
        return mixed

    def _shifted(self, x: Tensor, layout: Layout) -> tuple[Tensor, ...]:
        """x_t + (x_(t-1) - x_t) * share for each of the five, (N, D) each (equations 14 and 15)."""
        back = token_before(x, layout) - x
        low_rank = torch.tanh((x + back * self.common_shift) @ self.shift_down).unflatten(1, (SHIFTS, -1))
        shares_snd = self.shift[:, None] + torch.bmm(low_rank.transpose(0, 1), self.shift_up)
        return (x + back * shares_snd).unbind(0)


def block(config: Any, number: int) -> RWKVBlock:
    width = config.hidden_size
    # Files written before the field existed hold models that were computed with 64 times the other norms' epsilon.
    epsilon = getattr(config, "head_norm_epsilon", 64 * config.norm_epsilon)
    mixing = TimeMixing(width, config.heads, config.mix_rank, config.decay_rank, epsilon)
    return RWKVBlock(mixing, width, config.mlp_width, config.norm_epsilon, first=number == 0)


FAST = FastArchitecture(
    block=block,
    final_norm=lambda config: nn.LayerNorm(config.hidden_size, config.norm_epsilon),
    entrance="embedding_norm",
    mlp=("channel_norm", "channel_mixing"),
    outputs=("time_mixing.output", "channel_mixing.value"),
    names=OwnNames(),
)
