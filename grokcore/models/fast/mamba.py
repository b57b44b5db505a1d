"""Mamba-1 for short sequences: its selective scan (arXiv 2312.00752, section 3.2) with shared prefixes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.causal_convolution import causal_convolution
from grokcore.models.fast.conversion import Stored, same
from grokcore.models.fast.gpu_kernels import may_use
from grokcore.models.fast.kernels import Kernels, inside_transform, kernels_for
from grokcore.models.fast.layout import Layout, Selection, in_full

_BLOCK = 32
"""CHANNELS of kernels/scan.c."""

_LONG = 64
"""Tokens from which a GPU takes the kernel of mamba-ssm, where it is installed, rather than one token after another."""


def selective_scan(
    u: Tensor,
    delta: Tensor,
    delta_bias: Tensor,
    a: Tensor,
    b_c: Tensor,
    d: Tensor,
    z: Tensor,
    layout: Layout,
    selected: Selection | None,
) -> Tensor:
    """y silu(z) for every token, or for the selected ones only, computed in fp32 at least:

        h_t = exp(Delta_t A) h_(t-1) + Delta_t u_t B_t,  y_t = C_t h_t + D u_t,  Delta = softplus(delta + delta_bias)

    with a state h of S numbers in every channel, zeros at first; an example goes on from its prefix's.

    Args:
        u: (N, C).
        delta: (N, C).
        delta_bias: (C,).
        a: (C, S), A, negative.
        b_c: (N, 2 S), B and C, the same in all channels.
        d: (C,), D.
        z: (N, C), or (Q, C) of the selected tokens alone.

    Returns:
        (N, C) or (Q, C), in the precision of `z`.
    """
    given: Any = (u, delta, delta_bias, a, b_c, d, z)
    inputs: Any = tuple(value.to(torch.promote_types(value.dtype, torch.float32)) for value in given)
    kernels = kernels_for(inputs[0])
    if kernels is not None:
        mixed: Tensor = _KernelScan.apply(*inputs, layout, selected, kernels)  # type: ignore[no-untyped-call]
    elif _has_library(layout, inputs[0]):
        mixed = library_selective_scan(*inputs, layout, selected)  # type: ignore[call-arg]
    else:
        mixed = plain_selective_scan(*inputs, layout, selected)  # type: ignore[call-arg]
    return mixed.to(z.dtype)


def plain_selective_scan(
    u: Tensor,
    delta: Tensor,
    delta_bias: Tensor,
    a: Tensor,
    b_c: Tensor,
    d: Tensor,
    z: Tensor,
    layout: Layout,
    selected: Selection | None,
) -> Tensor:
    """The same in torch's own operators: on GPUs, inside transforms, and to test the kernel."""
    delta = functional.softplus(delta + delta_bias)
    rows = [delta, delta * u, *b_c.chunk(2, dim=1)]
    if layout.prefixes:
        of_prefixes, states = _scan(a, [layout.of_prefixes(row) for row in rows], None)
        begin = layout.per_example(states.flatten(1)).unflatten(1, states.shape[1:])
        y = layout.flatten(of_prefixes, _scan(a, [layout.of_examples(row) for row in rows], begin)[0])
    else:
        y = _scan(a, [layout.of_examples(row) for row in rows], None)[0].flatten(0, 1)
    y = y + d * u
    return (y if selected is None else selected.of(y)) * functional.silu(z)


def _has_library(layout: Layout, u: Tensor) -> bool:
    """Return whether to use mamba-ssm's kernel: for long sequences on a GPU that continue no prefix."""
    long = u.is_cuda and layout.tokens >= _LONG and not layout.prefixes
    return long and not inside_transform() and may_use("mamba_ssm")


def library_selective_scan(
    u: Tensor,
    delta: Tensor,
    delta_bias: Tensor,
    a: Tensor,
    b_c: Tensor,
    d: Tensor,
    z: Tensor,
    layout: Layout,
    selected: Selection | None,
) -> Tensor:
    """The same by the CUDA kernel of mamba-ssm, which keeps no state but the last in memory."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    u_bct, delta_bct, b_bst, c_bst = (
        layout.of_examples(row).transpose(1, 2).contiguous() for row in (u, delta, *b_c.chunk(2, dim=1))
    )
    y_bct = selective_scan_fn(u_bct, delta_bct, a, b_bst, c_bst, d, delta_bias=delta_bias, delta_softplus=True)
    y = y_bct.transpose(1, 2).flatten(0, 1)
    return (y if selected is None else selected.of(y)) * functional.silu(z)


def _scan(a: Tensor, rows: list[Tensor], begin_bcs: Tensor | None) -> tuple[Tensor, Tensor]:
    """C_t h_t of every token (B, T, C), and the last h (B, C, S); `rows` are step sizes, inputs, B and C."""
    delta_btc, input_btc, b_bts, c_bts = rows
    decays_btcs = (delta_btc[..., None] * a).exp()
    added_btcs = input_btc[..., None] * b_bts[:, :, None]
    read = []
    state_bcs = torch.zeros_like(added_btcs[:, 0]) if begin_bcs is None else begin_bcs
    for decay, added, c_bs in zip(decays_btcs.unbind(1), added_btcs.unbind(1), c_bts.unbind(1), strict=True):
        state_bcs = decay * state_bcs + added
        read.append((state_bcs @ c_bs[..., None]).squeeze(-1))
    return torch.stack(read, dim=1), state_bcs


def channel_weights(delta_btc: Tensor, a: Tensor, b_bts: Tensor, c_bts: Tensor, d: Tensor) -> Tensor:
    """Return the hidden attention of every channel (arXiv 2403.01590, equation 11), (B, C, T, T), with y = weights u:

    C_t exp(A (Delta_(i+1) + ... + Delta_t)) Delta_i B_i for i <= t, and D in addition for i = t
    """
    tokens = delta_btc.shape[1]
    kept_bics = delta_btc.new_zeros(*delta_btc.shape, a.shape[1])  # what is left of each token's input
    rows = []
    for t in range(tokens):
        delta_bc1 = delta_btc[:, t, :, None]
        kept_bics = kept_bics * (delta_bc1 * a).exp()[:, None]
        kept_bics[:, t] = delta_bc1 * b_bts[:, t, None]
        rows.append((kept_bics @ c_bts[:, t, None, :, None]).squeeze(-1))
    weights_bcti = torch.stack(rows, dim=1).permute(0, 3, 1, 2)
    return weights_bcti + torch.eye(tokens, device=d.device, dtype=d.dtype) * d[:, None, None]


class _KernelScan(torch.autograd.Function):
    """`selective_scan` by kernels/scan.c."""

    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        delta: Tensor,
        delta_bias: Tensor,
        a: Tensor,
        b_c: Tensor,
        d: Tensor,
        z: Tensor,
        layout: Layout,
        selected: Selection | None,
        kernels: Kernels,
    ) -> Tensor:
        u, delta, rates = u.contiguous(), delta.contiguous(), (a * math.log2(math.e)).t().contiguous()
        inputs = (u, delta, delta_bias, rates, b_c, d, z)
        ctx.save_for_backward(*inputs)
        ctx.layout, ctx.selected, ctx.kernels = layout, selected, kernels
        out = u.new_empty(z.shape)
        kernels.call("scan_forward", u.dtype, *_sizes(layout, selected, rates), *_with_strides(*inputs), out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, delta_bias, rates, b_c, d, _ = inputs = ctx.saved_tensors
        grad_u, grad_delta, grad_z = (torch.empty_like(value) for value in (u, delta, grad_out.contiguous()))
        grad_bias, grad_a, grad_d = (torch.zeros_like(value) for value in (delta_bias, rates, d))
        grad_b_c = u.new_empty(math.ceil(u.shape[1] / _BLOCK), *b_c.shape)
        ctx.kernels.call(
            "scan_backward",
            u.dtype,
            *_sizes(ctx.layout, ctx.selected, rates),
            *_with_strides(*inputs),
            *(grad_out.contiguous(), grad_u, grad_delta, grad_bias, grad_a, grad_b_c, grad_d, grad_z),
        )
        return grad_u, grad_delta, grad_bias, grad_a.t(), grad_b_c.sum(0), grad_d, grad_z, None, None, None


def _sizes(layout: Layout, selected: Selection | None, rates: Tensor) -> tuple[Tensor | int, ...]:
    states, channels = rates.shape
    prefix_of = 0 if layout.prefix_of is None else layout.prefix_of.contiguous()
    asked = (0, 0) if selected is None else (selected.positions.contiguous(), selected.shape[1])
    numbers = (layout.prefixes, layout.prefix_tokens, layout.examples, layout.tokens, prefix_of)
    return *numbers, *asked, channels, states


def _with_strides(
    u: Tensor, delta: Tensor, delta_bias: Tensor, rates: Tensor, b_c: Tensor, d: Tensor, z: Tensor
) -> tuple[Tensor | int, ...]:
    return u, delta, delta_bias, rates, b_c, b_c.stride(0), d, z, z.stride(0)


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

    def forward(self, x: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
        """(N, D) -> (N, D) or, with gates of the selected tokens alone, (B * P, D)."""
        if selected is None:
            u, z = self.input(x).chunk(2, dim=1)
        else:
            u_weight, z_weight = self.input.weight.chunk(2)
            u_bias, z_bias = (None, None) if self.input.bias is None else self.input.bias.chunk(2)
            u, z = functional.linear(x, u_weight, u_bias), functional.linear(selected.of(x), z_weight, z_bias)
        u = causal_convolution(u, self.convolution_weight, self.convolution_bias, layout)
        delta, b_c = self._selection(u)
        y = selective_scan(u, delta, self.delta.bias, -self.a_log.exp(), b_c, self.d, z, layout, selected)
        result: Tensor = self.output(y)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return |weights| of positions, mean over channels, (B, 1, T, T), for a normalized input (N, D).

        Each channel has exact weights of its own (`channel_weights`); this one map of them all is a summary.
        """
        u, _ = self.input(x).chunk(2, dim=1)
        u = causal_convolution(u, self.convolution_weight, self.convolution_bias, layout)
        return self.channel_weights(u, layout).abs().mean(1, keepdim=True)

    def channel_weights(self, u: Tensor, layout: Layout) -> Tensor:
        """Return the weights of every channel, (B, C, T, T), for what the convolution returns, (N, C)."""
        delta, b_c = self._selection(u)
        delta, *b_and_c = in_full(functional.softplus(delta + self.delta.bias), *b_c.chunk(2, dim=1))
        delta_btc, b_bts, c_bts = (layout.of_examples(row) for row in (delta, *b_and_c))
        return channel_weights(delta_btc, -self.a_log.exp(), b_bts, c_bts, self.d)

    def _selection(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return the step sizes (N, C), before bias and softplus, and B and C together, (N, 2 S)."""
        low_rank, b_c = self.selection(u).split(self.sizes, dim=1)
        return functional.linear(low_rank, self.delta.weight), b_c


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
