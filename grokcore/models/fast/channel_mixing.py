"""What RWKV's channel mixing does between its matrix products: one pass of a kernel on the CPU, torch elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models.fast.kernels import Kernels, kernels_for


def squared_relu(x: Tensor) -> Tensor:
    """relu(x)^2, elementwise (arXiv 2109.08668)."""
    kernels = kernels_for(x)
    if kernels is None:
        positive = functional.relu(x)
        return positive * positive
    y: Tensor = _KernelSquaredReLU.apply(x, kernels)  # type: ignore[no-untyped-call]
    return y


def gated(gate: Tensor, x: Tensor) -> Tensor:
    """sigmoid(gate) * x, elementwise."""
    kernels = kernels_for(x)
    if kernels is None or gate.dtype != x.dtype:
        return gate.sigmoid() * x
    y: Tensor = _KernelGate.apply(gate, x, kernels)  # type: ignore[no-untyped-call]
    return y


class _KernelSquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Kernels) -> Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        kernels.call("squared_relu_forward", x.dtype, x, x.numel(), y)
        ctx.save_for_backward(y)
        ctx.kernels = kernels
        return y

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        grad_x = torch.empty_like(y)
        ctx.kernels.call("squared_relu_backward", y.dtype, y, grad_y.contiguous(), y.numel(), grad_x)
        return grad_x, None


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
