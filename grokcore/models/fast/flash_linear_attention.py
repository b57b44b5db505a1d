"""The CUDA kernels of flash-linear-attention for long sequences, where they are asked for (`gpu_kernels.py`).

They keep a state per head and read a sequence in chunks; ours compare all tokens with all. Where few tokens are asked
for, prefixes are shared, sequences are short, in fp32 and on a CPU our own forms compute.
"""

from __future__ import annotations

import os
import shutil
from functools import cache

import torch
from torch import Tensor

from grokcore.models.fast.gpu_kernels import may_use
from grokcore.models.fast.kernels import inside_transform
from grokcore.models.fast.layout import Layout, Selection

LONG = 64
"""Tokens from which the kernels are taken."""


def has_library(key: Tensor, layout: Layout, selected: Selection | None) -> bool:
    """Return whether the kernels can and should compute this: all of long sequences, on a GPU, in half precision."""
    half = key.is_cuda and key.dtype in (torch.float16, torch.bfloat16)
    long = layout.tokens >= LONG and not layout.prefixes and selected is None
    return half and long and not inside_transform() and may_use("fla") and has_compiler()


@cache
def has_compiler() -> bool:
    """Whether Triton, in which the kernels are written, finds the C compiler that it compiles their launchers with."""
    return any(map(shutil.which, filter(None, (os.environ.get("CC"), "gcc", "clang"))))


def library_attend_decaying(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor,
    heads: int,
    layout: Layout,
    *,
    groups: int | None,
    itself: bool,
) -> Tensor:
    """`attend_decaying` of all tokens, by the kernels, in the precision of `key`."""
    q, k = (_of_heads(x.to(key.dtype), groups or heads, layout) for x in (query, key))
    v, g = _of_heads(value.to(key.dtype), heads, layout), _of_heads(log_decay, heads, layout)
    if groups is not None:
        q, k = (x.repeat_interleave(heads // groups, dim=2) for x in (q, k))
    if log_decay.shape[1] == heads:
        from fla.ops.simple_gla import chunk_simple_gla

        mixed = chunk_simple_gla(q, k, v, g=g.squeeze(3), scale=1.0)[0]
    elif itself:
        from fla.ops.gla import chunk_gla

        mixed = chunk_gla(q, k, v, g=g, scale=1.0)[0]
    else:
        from fla.ops.rwkv6 import chunk_rwkv6

        no_bonus = torch.zeros(heads, q.shape[3], dtype=q.dtype, device=q.device)
        mixed = chunk_rwkv6(q, k, v, g, no_bonus, scale=1.0)[0]
    return _flat(mixed)


def library_attend_by_delta_rule(
    query: Tensor, key: Tensor, value: Tensor, rate: Tensor, heads: int, layout: Layout
) -> Tensor:
    """`attend_by_delta_rule` of all tokens, by the kernels, in the precision of `key`."""
    from fla.ops.delta_rule import chunk_delta_rule

    q, k, v, beta = (_of_heads(x.to(key.dtype), heads, layout) for x in (query, key, value, rate))
    mixed = chunk_delta_rule(q, k, v, beta.squeeze(3), scale=1.0)[0]
    return _flat(mixed)


def _of_heads(x: Tensor, heads: int, layout: Layout) -> Tensor:
    """(N, H * C) -> (B, T, H, C)."""
    x_bthc: Tensor = layout.of_examples(x).unflatten(2, (heads, -1)).contiguous()
    return x_bthc


def _flat(mixed_bthv: Tensor) -> Tensor:
    """(B, T, H, V) -> (N, H * V), in fp32 at least."""
    flat = mixed_bthv.flatten(2).flatten(0, 1)
    return flat.to(torch.promote_types(flat.dtype, torch.float32))
