"""RWKV's token shift: a projection reads each token mixed with the one before it (arXiv 2305.13048, section 3.1.1)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models.fast.kernels import Kernels, kernels_for
from grokcore.models.fast.layout import Layout


def token_shift(x: Tensor, mix: Tensor, layout: Layout, rows: Tensor | None = None) -> tuple[Tensor, ...]:
    """mix * x_t + (1 - mix) * x_{t-1} for each of a few mixes; x_{t-1} is 0 where a sequence begins.

    Args:
        x: (N, D), all tokens.
        mix: (M, D), one for each projection, at most three.
        rows: (Q,) int64, the flat rows to compute; None for all.

    Returns:
        M tensors (N, D) or (Q, D).
    """
    kernels = kernels_for(x)
    if kernels is not None:
        visible = layout.visible_rows if rows is None else layout.visible_rows.index_select(0, rows)
        result: tuple[Tensor, ...] = _KernelTokenShift.apply(x, mix, visible, kernels)  # type: ignore[no-untyped-call]
        return result
    return plain_token_shift(x, mix, layout, rows)


def plain_token_shift(x: Tensor, mix: Tensor, layout: Layout, rows: Tensor | None = None) -> tuple[Tensor, ...]:
    """The same in torch's own operators: on GPUs, inside transforms, and to test the kernel."""
    before = token_before(x, layout)
    if rows is not None:
        x, before = functional.embedding(rows, x), functional.embedding(rows, before)
    return tuple(before + share * (x - before) for share in mix)


def token_before(x: Tensor, layout: Layout) -> Tensor:
    """Return for every token the row of the one before it: (N, D) -> (N, D)."""
    later = (0, 0, 1, -1)
    if not layout.prefixes:
        return functional.pad(layout.of_examples(x), later).flatten(0, 1)
    prefixes, examples = layout.of_prefixes(x), layout.of_examples(x)
    first = layout.per_example(prefixes[:, -1])
    return layout.flatten(functional.pad(prefixes, later), torch.cat((first[:, None], examples[:, :-1]), dim=1))


class _KernelTokenShift(torch.autograd.Function):
    """`token_shift` by kernels/token_shift.c."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mix: Tensor, visible: Tensor, kernels: Kernels) -> tuple[Tensor, ...]:
        x, mix = x.contiguous(), mix.contiguous()
        numbers = (len(mix), visible, *visible.shape, x.shape[1])
        outs = tuple(x.new_empty(len(visible), x.shape[1]) for _ in mix)
        kernels.call("token_shift_forward", x.dtype, x, mix, *numbers, *_three(outs))
        ctx.save_for_backward(x, mix, visible)
        ctx.kernels = kernels
        return outs

    @staticmethod
    def backward(ctx: Any, *grad_outs: Tensor) -> tuple[Tensor | None, ...]:
        x, mix, visible = ctx.saved_tensors
        grad_x, grad_mix = torch.zeros_like(x), torch.zeros_like(mix)
        grad_outs = tuple(grad_out.contiguous() for grad_out in grad_outs)
        ctx.kernels.call(
            "token_shift_backward",
            x.dtype,
            *(x, mix, len(mix), visible, *visible.shape, x.shape[1]),
            *(*_three(grad_outs), grad_x, grad_mix),
        )
        return grad_x, grad_mix, None, None


def _three(tensors: tuple[Tensor, ...]) -> tuple[Tensor | int, ...]:
    """As many arguments as the kernel has, with NULL for those that there are not."""
    return (*tensors, *[0] * (3 - len(tensors)))
