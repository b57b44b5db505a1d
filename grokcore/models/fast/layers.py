"""Layers that several architectures share: self-attention, MLPs, RMS norm, rotary positions and activations.

RMS norm is that of arXiv 1910.07467; rotary positions are those of arXiv 2104.09864, section 3.4.2, with the halves of
a head paired as LLaMA's weights expect. Activations are one pass of a kernel on the CPU, torch's operators elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.attention import attention, attention_weights
from grokcore.models.fast.kernels import Kernels, kernels_for
from grokcore.models.fast.layout import Layout, Selection


def gelu(x: Tensor) -> Tensor:
    """The tanh approximation of GELU (arXiv 1606.08415), elementwise."""
    kernels = kernels_for(x)
    if kernels is None:
        return functional.gelu(x, approximate="tanh")
    y: Tensor = _KernelElementwise.apply(x, "gelu", False, kernels)  # type: ignore[no-untyped-call]
    return y


def exact_gelu(x: Tensor) -> Tensor:
    """x Phi(x), with the normal distribution Phi (arXiv 1606.08415), elementwise."""
    return functional.gelu(x)


def squared_relu(x: Tensor) -> Tensor:
    """relu(x)^2, elementwise (arXiv 2109.08668)."""
    kernels = kernels_for(x)
    if kernels is None:
        positive = functional.relu(x)
        return positive * positive
    y: Tensor = _KernelElementwise.apply(x, "squared_relu", True, kernels)  # type: ignore[no-untyped-call]
    return y


def gated(gate: Tensor, x: Tensor) -> Tensor:
    """sigmoid(gate) * x, elementwise."""
    kernels = kernels_for(x)
    if kernels is None or gate.dtype != x.dtype:
        return gate.sigmoid() * x
    y: Tensor = _KernelGate.apply(gate, x, kernels)  # type: ignore[no-untyped-call]
    return y


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up (arXiv 2002.05202), of the two halves of each row: (N, 2 M) -> (N, M)."""
    kernels = kernels_for(gate_up)
    if kernels is None:
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.silu(gate) * up
    y: Tensor = _KernelSwiGLU.apply(gate_up, kernels)  # type: ignore[no-untyped-call]
    return y


class _KernelElementwise(torch.autograd.Function):
    """`{name}_forward` and `{name}_backward`; that is given y where it suffices, which the next product keeps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, name: str, from_y: bool, kernels: Kernels) -> Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        kernels.call(f"{name}_forward", x.dtype, x, x.numel(), y)
        ctx.save_for_backward(y if from_y else x)
        ctx.name, ctx.kernels = name, kernels
        return y

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, None, None, None]:
        (kept,) = ctx.saved_tensors
        grad_x = torch.empty_like(kept)
        ctx.kernels.call(f"{ctx.name}_backward", kept.dtype, kept, grad_y.contiguous(), kept.numel(), grad_x)
        return grad_x, None, None, None


class _KernelGate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, x: Tensor, kernels: Kernels) -> Tensor:
        gate, x = gate.contiguous(), x.contiguous()
        y = torch.empty_like(x)
        kernels.call("gate_forward", x.dtype, gate, x, x.numel(), y)
        ctx.save_for_backward(gate, x)
        ctx.kernels = kernels
        return y

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, Tensor, None]:
        gate, x = ctx.saved_tensors
        grad_gate, grad_x = torch.empty_like(gate), torch.empty_like(x)
        ctx.kernels.call("gate_backward", x.dtype, gate, x, grad_y.contiguous(), x.numel(), grad_gate, grad_x)
        return grad_gate, grad_x, None


class _KernelSwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor, kernels: Kernels) -> Tensor:
        gate_up = gate_up.contiguous()
        rows, width = len(gate_up), gate_up.shape[1] // 2
        y = gate_up.new_empty(rows, width)
        kernels.call("swiglu_forward", y.dtype, gate_up, rows, width, y)
        ctx.save_for_backward(gate_up)
        ctx.kernels = kernels
        return y

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, None]:
        (gate_up,) = ctx.saved_tensors
        grad = torch.empty_like(gate_up)
        rows, width = grad_y.shape
        ctx.kernels.call("swiglu_backward", grad.dtype, gate_up, grad_y.contiguous(), rows, width, grad)
        return grad, None


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

    def forward(self, x: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
        """(N, D) -> (N, D) or, with queries of the selected tokens alone, (B * P, D)."""
        if selected is None:
            query, key_value = None, self.query_key_value(x)
            if self.rotation is not None:
                key_value = self.rotation(key_value, layout.position_ids, 2 * self.width)
        else:
            projection, sizes = self.query_key_value, (self.width, 2 * self.width)
            query_weight, key_value_weight = projection.weight.split(sizes)
            query_bias, key_value_bias = (None, None) if projection.bias is None else projection.bias.split(sizes)
            query = functional.linear(selected.of(x), query_weight, query_bias)
            key_value = functional.linear(x, key_value_weight, key_value_bias)
            if self.rotation is not None:
                query = self.rotation(query, layout.position_ids[selected.rows], self.width)
                key_value = self.rotation(key_value, layout.position_ids, self.width)
        weight_dropout = self.weight_dropout if self.training else 0.0
        mixed = attention(query, key_value, self.heads, layout, selected, weight_dropout)
        result: Tensor = self.output(mixed)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return the attention weights (B, H, T, T) for a normalized input (N, D)."""
        query_key_value = self.query_key_value(x)
        if self.rotation is not None:
            query_key_value = self.rotation(query_key_value, layout.position_ids, 2 * self.width)
        return attention_weights(query_key_value, self.heads, layout)


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


class RMSNorm(nn.Module):
    """weight * x / sqrt(mean(x^2) + epsilon) of every row (D,)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        kernels = kernels_for(x)
        if kernels is None or x.dtype != self.weight.dtype or x.ndim != 2:
            return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)
        y: Tensor = _KernelRMSNorm.apply(x, self.weight, self.epsilon, kernels)  # type: ignore[no-untyped-call]
        return y


class _KernelRMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, kernels: Kernels) -> Tensor:
        x = x.contiguous()
        y, scales = torch.empty_like(x), x.new_empty(len(x))
        kernels.call("rms_norm_forward", x.dtype, x, weight, *x.shape, epsilon, scales, y)
        ctx.save_for_backward(x, weight, scales)
        ctx.kernels = kernels
        return y

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, weight, scales = ctx.saved_tensors
        grad_x, grad_weights = torch.empty_like(x), x.new_zeros(torch.get_num_threads(), x.shape[1])
        arguments = (x, weight, scales, grad_y.contiguous(), *x.shape, grad_x, grad_weights)
        ctx.kernels.call("rms_norm_backward", x.dtype, *arguments)
        return grad_x, grad_weights.sum(0), None, None


def rotary(x: Tensor, positions: Tensor, columns: int, *, size: int, base: float, to_base: bool = False) -> Tensor:
    """Turn channels c and c + size/2 of every head by the angle position * base^(-2c/size).

    Args:
        x: (N, C), fresh from a projection: its memory is reused where a kernel turns it in place. Its first `columns`
            are heads of `size` channels, the rest is left as it is.
        positions: (N,) int64.
        to_base: whether the exponents are evenly spaced from 0 to -1 inclusive, so that the last frequency is 1/base,
            as in RetNet's code: -c/(size/2 - 1) in place of -2c/size.

    Returns:
        (N, C).
    """
    channels = torch.arange(size // 2, device=x.device, dtype=torch.float32)
    frequencies = base ** (channels / -(max(size // 2 - 1, 1) if to_base else size // 2))
    angles = positions[:, None].float() * frequencies
    cosines, sines = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    kernels = kernels_for(x)
    if kernels is None or not x.is_contiguous():
        return plain_rotary(x, cosines, sines, columns)
    turned: Tensor = _KernelRotary.apply(x, cosines, sines, columns, kernels)  # type: ignore[no-untyped-call]
    return turned


def plain_rotary(x: Tensor, cosines: Tensor, sines: Tensor, columns: int) -> Tensor:
    """The same in torch's own operators, given cosines and sines of the angles, (N, size/2)."""
    turned, rest = x[:, :columns], x[:, columns:]
    first, second = turned.unflatten(1, (-1, 2, cosines.shape[1])).unbind(2)
    cos, sin = cosines[:, None], sines[:, None]
    turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=2).flatten(1)
    return turned if columns == x.shape[1] else torch.cat((turned, rest), dim=1)


class _KernelRotary(torch.autograd.Function):
    """Turned in place forward, and the gradient turned back in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosines: Tensor, sines: Tensor, columns: int, kernels: Kernels) -> Tensor:
        ctx.mark_dirty(x)
        ctx.save_for_backward(cosines, sines)
        ctx.columns, ctx.kernels = columns, kernels
        _turn(kernels, x, cosines, sines, columns, 1.0)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        cosines, sines = ctx.saved_tensors
        grad = grad.clone(memory_format=torch.contiguous_format)  # others may still read the incoming gradient
        _turn(ctx.kernels, grad, cosines, sines, ctx.columns, -1.0)
        return grad, None, None, None, None


def _turn(kernels: Kernels, x: Tensor, cosines: Tensor, sines: Tensor, columns: int, direction: float) -> None:
    rows, half = cosines.shape
    kernels.call("rotary", x.dtype, x, x.stride(0), cosines, sines, rows, columns // (2 * half), half, direction)
