"""Multi-head causal attention over few tokens, some of them shared prefixes (arXiv 1706.03762, section 3.2)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models.fast.kernels import Kernels, kernels_for
from grokcore.models.fast.layout import Layout, Selection


def attention(
    query: Tensor | None,
    key_value: Tensor,
    heads: int,
    layout: Layout,
    selected: Selection | None,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(q k^T / sqrt(d)) v for every token, or for the selected ones only.

    Args:
        query: (Q, D), the queries of the selected tokens; None where `key_value` has all tokens' queries too.
        key_value: (N, 2 D), keys and values of all tokens, or (N, 3 D), with their queries first.
        heads: number of heads; each has d = D / heads channels.
        dropout: of the attention weights.

    Returns:
        (N, D) or, for selected tokens, (Q, D).
    """
    if key_value.device.type == "cpu" and key_value.dtype == torch.bfloat16:
        # The kernel on numbers converted there and back beats torch's products of tiny bf16 matrices.
        query = None if query is None else query.float()
        return attention(query, key_value.float(), heads, layout, selected, dropout).to(key_value.dtype)
    kernels = kernels_for(key_value)
    if kernels is not None and not dropout:
        visible = layout.visible_rows if selected is None else selected.visible_rows
        result: Tensor = _KernelAttention.apply(query, key_value, visible, heads, kernels)  # type: ignore[no-untyped-call]
        return result
    return plain_attention(query, key_value, heads, layout, selected, dropout)


def plain_attention(
    query: Tensor | None,
    key_value: Tensor,
    heads: int,
    layout: Layout,
    selected: Selection | None,
    dropout: float = 0.0,
) -> Tensor:
    """The same in torch's own operators: on GPUs, inside transforms, and to test the kernel."""
    if query is None:
        query, key_value = key_value.tensor_split([key_value.shape[1] // 3], dim=1)
    key_value_btc = layout.of_examples(key_value)
    if layout.prefixes:
        shared = layout.of_prefixes(key_value)
        shared_btc = layout.per_example(shared.flatten(1)).unflatten(1, shared.shape[1:])
        key_value_btc = torch.cat((shared_btc, key_value_btc), dim=1)
    if selected is not None:
        query_bqd, masked = query.unflatten(0, selected.shape), selected.masked
        return _attend(query_bqd, key_value_btc, heads, masked, dropout).flatten(0, 1)
    examples = _attend(layout.of_examples(query), key_value_btc, heads, layout.masked, dropout)
    if not layout.prefixes:
        return examples.flatten(0, 1)
    inside = _attend(layout.of_prefixes(query), shared, heads, layout.prefix_layout.masked, dropout)
    return layout.flatten(inside, examples)


def _attend(query_bqd: Tensor, key_value_btc: Tensor, heads: int, masked_bqt: Tensor, dropout: float) -> Tensor:
    q = query_bqd.unflatten(2, (heads, -1)).transpose(1, 2)
    k, v = key_value_btc.unflatten(2, (2, heads, -1)).permute(2, 0, 3, 1, 4)
    weights_bhqt = functional.dropout(_weights(q, k, masked_bqt), dropout)
    mixed: Tensor = (weights_bhqt.to(v.dtype) @ v).transpose(1, 2).flatten(2)
    return mixed


def _weights(q_bhqd: Tensor, k_bhtd: Tensor, masked_bqt: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) of what is not masked, (B, H, Q, T)."""
    scores_bhqt = (q_bhqd / math.sqrt(q_bhqd.shape[-1])) @ k_bhtd.transpose(2, 3)
    return scores_bhqt.masked_fill(masked_bqt[:, None], -torch.inf).softmax(-1)


def attention_weights(query_key_value: Tensor, heads: int, layout: Layout) -> Tensor:
    """Return softmax(q k^T / sqrt(d)), (B, H, T, T), of all tokens (N, 3 D), without shared prefixes."""
    q, k, _ = layout.of_examples(query_key_value).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return _weights(q, k, layout.masked)


class _KernelAttention(torch.autograd.Function):
    """`attention` by kernels/attention.c."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor | None, key_value: Tensor, visible: Tensor, heads: int, kernels: Kernels
    ) -> Tensor:
        packed = query is None
        key_value = key_value.contiguous()
        width = key_value.shape[1] // (3 if packed else 2)
        q, key, value = _parts(query, key_value, width)
        queries, seen, size = len(visible), visible.shape[1], width // heads
        weights, out = q.new_empty(queries, heads, seen), q.new_empty(queries, width)
        numbers = (queries, seen, heads, size, 1 / math.sqrt(size))
        kernels.call(
            "attention_forward", q.dtype, q, q.stride(0), key, value, key.stride(0), visible, *numbers, weights, out
        )
        ctx.save_for_backward(query, key_value, visible, weights, out)
        ctx.numbers, ctx.kernels = numbers, kernels
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        query, key_value, visible, weights, out = ctx.saved_tensors
        width = out.shape[1]
        grad_query = None if query is None else torch.empty_like(query, memory_format=torch.contiguous_format)
        grad_key_value = torch.zeros_like(key_value)
        q, key, value = _parts(query, key_value, width)
        grads = _parts(grad_query, grad_key_value, width)
        ctx.kernels.call(
            "attention_backward",
            out.dtype,
            *(q, q.stride(0), key, value, key.stride(0), visible, *ctx.numbers),
            *(weights, out, grad_out.contiguous(), *grads),
        )
        return grad_query, grad_key_value, None, None, None


def _parts(query: Tensor | None, key_value: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values as views."""
    if query is None:
        q, k, v = key_value.split(width, dim=1)
        return q, k, v
    k, v = key_value.split(width, dim=1)
    return query, k, v
