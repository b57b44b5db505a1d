"""DeltaNet for short sequences; `grokcore/models/deltanet.py` says what it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.architecture import FastArchitecture
from grokcore.models.fast.block import Block
from grokcore.models.fast.causal_convolution import causal_convolution
from grokcore.models.fast.conversion import OwnNames
from grokcore.models.fast.delta_rule import attend_by_delta_rule
from grokcore.models.fast.layout import Chosen, Layout
from grokcore.models.fast.mixers import SwiGLU
from grokcore.models.fast.norms import RMSNorm

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

    def forward(self, x: Tensor, layout: Layout, chosen: Chosen | None) -> Tensor:
        """(N, D) -> (N, D) or, of the chosen tokens alone, (B * P, D)."""
        convolved = causal_convolution(self.query_key_value(x), self.convolution, None, layout)
        query, key, value = convolved.chunk(3, dim=1)
        query, key = self._of_length_1(query if chosen is None else chosen.of(query)), self._of_length_1(key)
        mixed = attend_by_delta_rule(query, key, value, self.rate(x).sigmoid(), self.heads, layout, chosen)
        mixed = functional.rms_norm(
            mixed.unflatten(1, (self.heads, -1)), self.norm_weight.shape, self.norm_weight, self.epsilon
        ).flatten(1)
        result: Tensor = self.output(mixed)
        return result

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
