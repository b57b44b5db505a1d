"""Activations of single tokens: in one pass of a kernel on the CPU, in torch's operators elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models.fast.kernels import Kernels, kernels_for


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
