"""RWKV-4's time mixing: a gated average of values, decaying with age (arXiv 2305.13048, equations 16 and 17).

Per channel, with decay w > 0 and bonus u of a token for itself, the recurrence is a softmax over what a token sees:
  wkv_t = sum_{i <= t} softmax_i(s_ti) v_i,  s_ti = k_i - (t - 1 - i) w for i < t,  s_tt = k_t + u
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models.fast.kernels import Kernels, kernels_for
from grokcore.models.fast.layout import Layout


def gated_wkv(
    decay: Tensor, bonus: Tensor, key: Tensor, value: Tensor, gate: Tensor, layout: Layout, rows: Tensor | None = None
) -> Tensor:
    """sigmoid(gate) * wkv, computed in fp32 at least.

    Args:
        decay: (D,), w.
        bonus: (D,), u.
        key: (N, D), of all tokens.
        value: (N, D).
        gate: (N, D) or (Q, D), of the tokens to compute.
        rows: (Q,) int64, the flat rows to compute; None for all.

    Returns:
        (N, D) or (Q, D), in the precision of `value`.
    """
    full = torch.promote_types(value.dtype, torch.float32)
    key, value_full, gate = key.to(full), value.to(full), gate.to(full)
    kernels = kernels_for(key)
    if kernels is not None:
        visible = layout.visible_rows if rows is None else layout.visible_rows.index_select(0, rows)
        mixed: Tensor = _KernelWKV.apply(decay, bonus, key, value_full, gate, visible, kernels)  # type: ignore[no-untyped-call]
    else:
        mixed = plain_gated_wkv(decay, bonus, key, value_full, gate, layout, rows)
    return mixed.to(value.dtype)


def plain_gated_wkv(
    decay: Tensor, bonus: Tensor, key: Tensor, value: Tensor, gate: Tensor, layout: Layout, rows: Tensor | None = None
) -> Tensor:
    """The same in torch's own operators: on GPUs, inside transforms, and to test the kernel."""
    key_btd, value_btd = layout.of_examples(key), layout.of_examples(value)
    if layout.prefixes:
        prefixes = torch.cat((layout.of_prefixes(key), layout.of_prefixes(value)), dim=1)
        prefix_key, prefix_value = prefixes.chunk(2, dim=1)
        of_examples = layout.per_example(prefixes.flatten(1)).unflatten(1, prefixes.shape[1:]).chunk(2, dim=1)
        key_btd = torch.cat((of_examples[0], key_btd), dim=1)
        value_btd = torch.cat((of_examples[1], value_btd), dim=1)
    wkv = _average(decay, bonus, key_btd, value_btd, layout.invisible)
    if layout.prefixes:
        inside = _average(decay, bonus, prefix_key, prefix_value, layout.prefix_layout.invisible)
        wkv_flat = layout.flatten(inside, wkv)
    else:
        wkv_flat = wkv.flatten(0, 1)
    return gate.sigmoid() * (wkv_flat if rows is None else functional.embedding(rows, wkv_flat))


def _average(decay: Tensor, bonus: Tensor, key_btd: Tensor, value_btd: Tensor, invisible_bqt: Tensor) -> Tensor:
    """wkv (B, Q, D) of the last Q of T tokens."""
    tokens, queries = key_btd.shape[1], invisible_bqt.shape[1]
    at = torch.arange(tokens, device=key_btd.device)
    age_qt = at[tokens - queries :, None] - 1 - at
    extra_qtd = torch.where(age_qt[..., None] < 0, bonus, -age_qt[..., None] * decay)
    scores_bqtd = (key_btd[:, None] + extra_qtd).masked_fill(invisible_bqt[..., None], -torch.inf)
    return (scores_bqtd.softmax(2) * value_btd[:, None]).sum(2)


class _KernelWKV(torch.autograd.Function):
    """`gated_wkv` by kernels/wkv.c."""

    @staticmethod
    def forward(
        ctx: Any,
        decay: Tensor,
        bonus: Tensor,
        key: Tensor,
        value: Tensor,
        gate: Tensor,
        visible: Tensor,
        kernels: Kernels,
    ) -> Tensor:
        inputs = tuple(tensor.contiguous() for tensor in (decay, bonus, key, value, gate, visible))
        out = torch.empty_like(inputs[4])
        kernels.call("wkv_forward", out.dtype, *inputs, *visible.shape, out.shape[1], out)
        ctx.save_for_backward(*inputs)
        ctx.kernels = kernels
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        *summed, gate, visible = inputs
        grads = (*map(torch.zeros_like, summed), torch.empty_like(gate))
        numbers = (*visible.shape, gate.shape[1])
        ctx.kernels.call("wkv_backward", gate.dtype, *inputs, *numbers, grad_out.contiguous(), *grads)
        return *grads, None, None
