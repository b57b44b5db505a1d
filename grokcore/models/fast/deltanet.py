"""DeltaNet for short sequences (arXiv 2406.06484, section 3.2, equations 6 and 7), some of them with shared prefixes.

Token t adds u_t k_t^T to the state, with u_t = beta_t (v_t - S_(t-1) k_t): the value less what its key reads.
Since S_(t-1) = sum_(i < t) u_i k_i^T, all u of a sequence solve one unit lower triangular system,
  u_t + sum_(i < t) beta_t (k_t . k_i) u_i = beta_t v_t,
and o_t = sum_(i <= t) (q_t . k_i) u_i.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.causal_convolution import causal_convolution
from grokcore.models.fast.conversion import OwnNames
from grokcore.models.fast.flash_linear_attention import has_library, library_attend_by_delta_rule
from grokcore.models.fast.layers import RMSNorm, SwiGLU
from grokcore.models.fast.layout import Layout, Selection, by_heads, in_full, joined, over_sequences, weights_of


def attend_by_delta_rule(
    query: Tensor, key: Tensor, value: Tensor, rate: Tensor, heads: int, layout: Layout, selected: Selection | None
) -> Tensor:
    """S_t q_t of every token, or of the selected ones only, computed in fp32 at least.

    Args:
        query: (N, K), or (Q, K) of the selected tokens.
        key: (N, K).
        value: (N, V).
        rate: (N, H), beta.

    Returns:
        (N, V) or (Q, V), in fp32 at least.
    """
    if has_library(key, layout, selected):
        return library_attend_by_delta_rule(query, key, value, rate, heads, layout)
    query_full, key_full, value_full, rate_full = in_full(query, key, value, rate)
    widths = [key.shape[1], value.shape[1]]
    with torch.autocast(value.device.type, enabled=False):
        added = _added(key_full, value_full, rate_full, heads, layout)

    def mix(query_bqk: Tensor, given_bte: Tensor, masked_bqt: Tensor) -> Tensor:
        k, u = (by_heads(part, heads) for part in given_bte.split(widths, dim=2))
        weights_bhqt = (by_heads(query_bqk, heads) @ k.transpose(2, 3)).masked_fill(masked_bqt[:, None], 0)
        return joined(weights_bhqt @ u)

    return over_sequences(mix, query_full, torch.cat((key_full, added), dim=1), layout, selected)


def _added(key: Tensor, value: Tensor, rate: Tensor, heads: int, layout: Layout) -> Tensor:
    """u of every token, (N, V)."""
    k, v, beta = (by_heads(layout.of_examples(part), heads) for part in (key, value, rate))
    if not layout.prefixes:
        return joined(_solve(k, beta * v, beta)).flatten(0, 1)
    k_p, v_p, beta_p = (by_heads(layout.of_prefixes(part), heads) for part in (key, value, rate))
    u_p = _solve(k_p, beta_p * v_p, beta_p)
    state = torch.cat((k_p, u_p), dim=3)  # of examples without a prefix: zeros, which add nothing
    of_examples = layout.per_example(state.flatten(1)).unflatten(1, state.shape[1:])
    k_before, u_before = of_examples.split([k.shape[3], v.shape[3]], dim=3)
    read = (k @ k_before.transpose(2, 3)) @ u_before
    return layout.flatten(joined(u_p), joined(_solve(k, beta * (v - read), beta)))


def _solve(k: Tensor, right: Tensor, beta: Tensor) -> Tensor:
    """u with u_t + sum_(i < t) beta_t (k_t . k_i) u_i = right_t; k (B, H, T, K), u (B, H, T, V), beta (B, H, T, 1)."""
    system = (beta * (k @ k.transpose(2, 3))).tril(-1)
    solution: Tensor = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    return solution


EPSILON = 1e-6
"""Added to the squared length of queries and keys."""


class DeltaNet(nn.Module):
    """W_O norm(o), with q, k and v behind short convolutions and SiLU (arXiv 2406.06484, section 3.4), and in each head

      S_t = S_(t-1) (I - beta_t k_t k_t^T) + beta_t v_t k_t^T,  o_t = S_t q_t,  beta_t = sigmoid(W_beta x_t)

    with q and k of length 1 (section 2.2, equation 3).
    """

    def __init__(self, width: int, heads: int, taps: int, epsilon: float) -> None:
        super().__init__()
        self.heads, self.epsilon = heads, epsilon
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.convolution = nn.Parameter(torch.empty(3 * width, taps))
        self.rate = nn.Linear(width, heads, bias=False)
        self.norm_weight = nn.Parameter(torch.ones(width // heads))
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
        """(N, D) -> (N, D) or, of the selected tokens alone, (B * P, D)."""
        query, key, value = self._convolved(x, layout)
        query, key = self._of_length_1(query if selected is None else selected.of(query)), self._of_length_1(key)
        mixed = attend_by_delta_rule(query, key, value, self.rate(x).sigmoid(), self.heads, layout, selected)
        mixed = functional.rms_norm(
            mixed.unflatten(1, (self.heads, -1)), self.norm_weight.shape, self.norm_weight, self.epsilon
        ).flatten(1)
        result: Tensor = self.output(mixed)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return tril(Q K^T) (I + tril(diag(beta) K K^T, -1))^-1 diag(beta), (B, H, T, T), for an input (N, D).

        The last two factors map the values to u; they are signed, since a token takes back what its key reads.
        """
        query, key = (self._of_length_1(part) for part in self._convolved(x, layout)[:2])
        rate = self.rate(x).sigmoid()

        def mix(value: Tensor) -> Tensor:
            return attend_by_delta_rule(query, key, value, rate, self.heads, layout, None)

        return weights_of(mix, key, self.heads, layout)

    def _convolved(self, x: Tensor, layout: Layout) -> tuple[Tensor, ...]:
        """Return queries, keys and values behind the convolution, (N, D) each."""
        return causal_convolution(self.query_key_value(x), self.convolution, None, layout).chunk(3, dim=1)

    def _of_length_1(self, x: Tensor) -> Tensor:
        by_head: Tensor = x.unflatten(1, (self.heads, -1))
        return (by_head * (by_head.square().sum(2, keepdim=True) + EPSILON).rsqrt()).flatten(1)


def block(config: Any, number: int) -> Block:
    return Block(
        norm(config),
        DeltaNet(config.hidden_size, config.heads, config.conv_kernel, config.norm_epsilon),
        norm(config),
        SwiGLU(config.hidden_size, config.mlp_width),
    )


def norm(config: Any) -> nn.Module:
    return RMSNorm(config.hidden_size, config.norm_epsilon)


FAST = FastArchitecture(block=block, final_norm=norm, names=OwnNames())
