"""A causal convolution of each channel for itself, over few tokens, some of them shared prefixes, and a SiLU on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models.fast.kernels import Kernels, kernels_for
from grokcore.models.fast.layout import Layout


def causal_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, layout: Layout) -> Tensor:
    """silu(bias + sum_k weight_k x_(t - K + 1 + k)) with zeros before the beginning, computed in fp32 at least.

    Args:
        x: (N, C); an example's own tokens follow those of its prefix.
        weight: (C, K).
        bias: (C,).

    Returns:
        (N, C), in the precision of `x`.
    """
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    full = x.to(torch.promote_types(x.dtype, torch.float32))
    kernels = kernels_for(full)
    if kernels is not None:
        mixed: Tensor = _KernelConvolution.apply(full, weight, bias, layout.visible_rows, kernels)  # type: ignore[no-untyped-call]
    else:
        mixed = plain_causal_convolution(full, weight, bias, layout)
    return mixed.to(x.dtype)


def plain_causal_convolution(x: Tensor, weight: Tensor, bias: Tensor, layout: Layout) -> Tensor:
    """The same in torch's own operators: on GPUs, inside transforms, and to test the kernel."""
    before = weight.shape[1] - 1
    if not layout.prefixes:
        examples = functional.pad(layout.of_examples(x), (0, 0, before, 0))
        return functional.silu(_convolve(examples, weight, bias).flatten(0, 1))
    prefixes = functional.pad(layout.of_prefixes(x), (0, 0, before, 0))
    tail = prefixes[:, layout.prefix_tokens :]
    tail = layout.per_example(tail.flatten(1)).unflatten(1, tail.shape[1:])
    examples = torch.cat((tail, layout.of_examples(x)), dim=1)
    return functional.silu(layout.flatten(_convolve(prefixes, weight, bias), _convolve(examples, weight, bias)))


def _convolve(x_btc: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(B, K - 1 + T, C) -> (B, T, C)."""
    tokens = x_btc.shape[1] - weight.shape[1] + 1
    result = bias.expand(len(x_btc), tokens, -1)
    for k, tap in enumerate(weight.unbind(1)):
        result = result + tap * x_btc[:, k : k + tokens]
    return result


class _KernelConvolution(torch.autograd.Function):
    """`causal_convolution` by kernels/convolution.c."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, visible: Tensor, kernels: Kernels) -> Tensor:
        taps = weight.t().contiguous()
        out = x.new_empty(x.shape)
        inputs = (x, x.stride(0), taps, len(taps), bias, visible, *visible.shape, x.shape[1])
        kernels.call("convolution_forward", x.dtype, *inputs, out)
        ctx.save_for_backward(x, taps, bias, visible)
        ctx.kernels = kernels
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        x, taps, bias, visible = ctx.saved_tensors
        inputs = (x, x.stride(0), taps, len(taps), bias, visible, *visible.shape, x.shape[1])
        grad_x, grad_taps, grad_bias = x.new_zeros(x.shape), torch.zeros_like(taps), torch.zeros_like(bias)
        grads = (grad_x, grad_taps, grad_bias)
        ctx.kernels.call("convolution_backward", x.dtype, *inputs, grad_out.contiguous(), *grads)
        return grad_x, grad_taps.t(), grad_bias, None, None
