"""Mamba-2 for short sequences; `grokcore/models/mamba2.py` describes the architecture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.causal_convolution import causal_convolution
from grokcore.models.fast.conversion import Stored, same
from grokcore.models.fast.decayed_attention import attend_decaying
from grokcore.models.fast.layout import Layout, Selection, in_full, weights_of


class StateSpaceDuality(nn.Module):
    """Y = (L * C B^T) (Delta X) + D X behind a short convolution, gated and normalized (arXiv 2405.21060, figure 6).

      L_ti = exp(A (Delta_(i+1) + ... + Delta_t)) for i <= t,  Delta = softplus(delta + bias)  (section 3.2, equation 3)

    Args:
        inner: number of channels of the scan, in heads of equal size.
        states: N, numbers in the state of a channel.
        groups: G, of heads that share B and C.
        taps: K, width of the convolution.
        limits: of the step size.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        heads: int,
        states: int,
        groups: int,
        taps: int,
        *,
        bias: bool,
        convolution_bias: bool,
        limits: tuple[float, float],
        epsilon: float,
    ) -> None:
        super().__init__()
        self.heads, self.groups, self.limits, self.epsilon = heads, groups, limits, epsilon
        self.sizes, convolved = (inner, groups * states, groups * states), inner + 2 * groups * states
        self.input_sizes = (inner, convolved + heads)
        self.input = nn.Linear(width, sum(self.input_sizes), bias=bias)
        self.convolution_weight = nn.Parameter(torch.empty(convolved, taps))
        self.convolution_bias = nn.Parameter(torch.empty(convolved)) if convolution_bias else None
        self.a_log, self.d, self.delta_bias = (nn.Parameter(torch.empty(heads)) for _ in range(3))
        self.norm_weight = nn.Parameter(torch.ones(inner))
        self.output = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
        """(N, D) -> (N, D) or, with gates of the selected tokens alone, (B * P, D)."""
        if selected is None:
            z, rest = self.input(x).split(self.input_sizes, dim=1)
        else:
            z_weight, weight = self.input.weight.split(self.input_sizes)
            z_bias, bias = (None, None) if self.input.bias is None else self.input.bias.split(self.input_sizes)
            z, rest = functional.linear(selected.of(x), z_weight, z_bias), functional.linear(x, weight, bias)
        (z_full,) = in_full(z)
        y = self._scanned(*self._selection(rest, layout), layout, selected)
        grouped = (y * functional.silu(z_full)).unflatten(1, (self.groups, -1))
        normed = functional.rms_norm(grouped, grouped.shape[2:], eps=self.epsilon).flatten(1) * self.norm_weight
        result: Tensor = self.output(normed.to(z.dtype))
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return (L * C B^T) diag(Delta) + D I, (B, H, T, T), for a normalized input (N, D)."""
        u, b, c, delta = self._selection(self.input(x).split(self.input_sizes, dim=1)[1], layout)
        return weights_of(lambda value: self._scanned(value, b, c, delta, layout, None), u, self.heads, layout)

    def _selection(self, projected: Tensor, layout: Layout) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return X, B and C behind the convolution, and Delta (N, H)."""
        convolved, delta = projected.split((projected.shape[1] - self.heads, self.heads), dim=1)
        convolved = causal_convolution(convolved, self.convolution_weight, self.convolution_bias, layout)
        u, b, c = convolved.split(self.sizes, dim=1)
        u, delta = in_full(u, delta)
        return u, b, c, functional.softplus(delta + self.delta_bias).clamp(*self.limits)

    def _scanned(
        self, u: Tensor, b: Tensor, c: Tensor, delta: Tensor, layout: Layout, selected: Selection | None
    ) -> Tensor:
        """(L * C B^T) (Delta X) + D X of all heads."""
        values = (u.unflatten(1, (self.heads, -1)) * delta[..., None]).flatten(1)
        asked, skipped = (c, u) if selected is None else (selected.of(c), selected.of(u))
        log_decay = -self.a_log.exp() * delta
        y = attend_decaying(asked, b, values, log_decay, self.heads, layout, selected, groups=self.groups)
        scanned: Tensor = y + (skipped.unflatten(1, (self.heads, -1)) * self.d[:, None]).flatten(1)
        return scanned


def block(config: Any, number: int) -> Block:
    mixer = StateSpaceDuality(
        config.hidden_size,
        config.num_heads * config.head_dim,
        config.num_heads,
        config.state_size,
        config.n_groups,
        config.conv_kernel,
        bias=config.use_bias,
        convolution_bias=config.use_conv_bias,
        limits=tuple(config.time_step_limit),
        epsilon=config.layer_norm_epsilon,
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
        "blocks.*.token_mixer.a_log": same("backbone.layers.*.mixer.A_log"),
        "blocks.*.token_mixer.d": same("backbone.layers.*.mixer.D"),
        "blocks.*.token_mixer.delta_bias": same("backbone.layers.*.mixer.dt_bias"),
        "blocks.*.token_mixer.norm_weight": same("backbone.layers.*.mixer.norm.weight"),
        "blocks.*.token_mixer.output.weight": same("backbone.layers.*.mixer.out_proj.weight"),
        "blocks.*.token_mixer.output.bias": same("backbone.layers.*.mixer.out_proj.bias"),
        "final_norm.weight": same("backbone.norm_f.weight"),
        "head.weight": same("lm_head.weight"),
    },
)
