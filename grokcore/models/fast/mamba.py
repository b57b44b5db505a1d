"""Mamba-1 for short sequences; `grokcore/models/mamba.py` says what it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.architecture import FastArchitecture
from grokcore.models.fast.block import Block
from grokcore.models.fast.causal_convolution import causal_convolution
from grokcore.models.fast.conversion import Stored, same
from grokcore.models.fast.layout import Chosen, Layout
from grokcore.models.fast.selective_scan import selective_scan


class SelectiveStateSpace(nn.Module):
    """A gated selective scan behind a short convolution (arXiv 2312.00752, figure 3).

    Args:
        inner: C, number of channels of the scan.
        states: N, numbers in the state of a channel.
        taps: K, width of the convolution.
        rank: R, of the projection that the step sizes come from.
    """

    def __init__(
        self, width: int, inner: int, states: int, taps: int, rank: int, *, bias: bool, convolution_bias: bool
    ) -> None:
        super().__init__()
        self.sizes = [rank, 2 * states]
        self.input = nn.Linear(width, 2 * inner, bias=bias)
        self.convolution_weight = nn.Parameter(torch.empty(inner, taps))
        self.convolution_bias = nn.Parameter(torch.empty(inner)) if convolution_bias else None
        self.selection = nn.Linear(inner, rank + 2 * states, bias=False)
        self.delta = nn.Linear(rank, inner)
        self.a_log, self.d = nn.Parameter(torch.empty(inner, states)), nn.Parameter(torch.empty(inner))
        self.output = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor, layout: Layout, chosen: Chosen | None) -> Tensor:
        """(N, D) -> (N, D) or, with gates of the chosen tokens alone, (B * P, D)."""
        if chosen is None:
            u, z = self.input(x).chunk(2, dim=1)
        else:
            u_weight, z_weight = self.input.weight.chunk(2)
            u_bias, z_bias = (None, None) if self.input.bias is None else self.input.bias.chunk(2)
            u, z = functional.linear(x, u_weight, u_bias), functional.linear(chosen.of(x), z_weight, z_bias)
        u = causal_convolution(u, self.convolution_weight, self.convolution_bias, layout)
        low_rank, b_c = self.selection(u).split(self.sizes, dim=1)
        delta = functional.linear(low_rank, self.delta.weight)
        y = selective_scan(u, delta, self.delta.bias, -self.a_log.exp(), b_c, self.d, z, layout, chosen)
        result: Tensor = self.output(y)
        return result


def block(config: Any, number: int) -> Block:
    mixer = SelectiveStateSpace(
        config.hidden_size,
        config.intermediate_size,
        config.state_size,
        config.conv_kernel,
        config.time_step_rank,
        bias=config.use_bias,
        convolution_bias=config.use_conv_bias,
    )
    return Block(norm(config), mixer)


def norm(config: Any) -> nn.Module:
    return nn.RMSNorm(config.hidden_size, eps=config.layer_norm_epsilon)


FAST = FastArchitecture(
    block=block,
    final_norm=norm,
    mlp=(),
    outputs=("token_mixer.output",),
    names={
        "embedding.weight": same("backbone.embeddings.weight"),
        "blocks.*.token_norm.weight": same("backbone.layers.*.norm.weight"),
        "blocks.*.token_mixer.input.weight": same("backbone.layers.*.mixer.in_proj.weight"),
        "blocks.*.token_mixer.input.bias": same("backbone.layers.*.mixer.in_proj.bias"),
        "blocks.*.token_mixer.convolution_weight": Stored(("backbone.layers.*.mixer.conv1d.weight",), unsqueezed=1),
        "blocks.*.token_mixer.convolution_bias": same("backbone.layers.*.mixer.conv1d.bias"),
        "blocks.*.token_mixer.selection.weight": same("backbone.layers.*.mixer.x_proj.weight"),
        "blocks.*.token_mixer.delta.weight": same("backbone.layers.*.mixer.dt_proj.weight"),
        "blocks.*.token_mixer.delta.bias": same("backbone.layers.*.mixer.dt_proj.bias"),
        "blocks.*.token_mixer.a_log": same("backbone.layers.*.mixer.A_log"),
        "blocks.*.token_mixer.d": same("backbone.layers.*.mixer.D"),
        "blocks.*.token_mixer.output.weight": same("backbone.layers.*.mixer.out_proj.weight"),
        "blocks.*.token_mixer.output.bias": same("backbone.layers.*.mixer.out_proj.bias"),
        "final_norm.weight": same("backbone.norm_f.weight"),
        "head.weight": same("lm_head.weight"),
    },
)
