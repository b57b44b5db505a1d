"""RMS normalisation (arXiv 1910.07467), as LLaMA and Mamba have it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.kernels import Kernels, kernels_for


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
