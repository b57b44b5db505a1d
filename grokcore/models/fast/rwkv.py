"""RWKV-4 for short sequences; `grokcore/models/rwkv.py` describes the architecture.

Time mixing is a gated average of values that decays with age (arXiv 2305.13048, equations 16 and 17).

Per channel, with decay w > 0 and bonus u of a token for itself, the recurrence is a softmax over what a token sees:
  wkv_t = sum_{i <= t} softmax_i(s_ti) v_i,  s_ti = k_i - (t - 1 - i) w for i < t,  s_tt = k_t + u
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.block import FastArchitecture
from grokcore.models.fast.conversion import Stored, same
from grokcore.models.fast.kernels import Kernels, kernels_for
from grokcore.models.fast.layers import gated, squared_relu
from grokcore.models.fast.layout import Layout, Selection
from grokcore.models.fast.token_shift import token_shift


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
    wkv = _average(decay, bonus, key_btd, value_btd, layout.masked)
    if layout.prefixes:
        inside = _average(decay, bonus, prefix_key, prefix_value, layout.prefix_layout.masked)
        wkv_flat = layout.flatten(inside, wkv)
    else:
        wkv_flat = wkv.flatten(0, 1)
    return gate.sigmoid() * (wkv_flat if rows is None else functional.embedding(rows, wkv_flat))


def _average(decay: Tensor, bonus: Tensor, key_btd: Tensor, value_btd: Tensor, masked_bqt: Tensor) -> Tensor:
    """wkv (B, Q, D) of the last Q of T tokens."""
    return (_weights(decay, bonus, key_btd, masked_bqt) * value_btd[:, None]).sum(2)


def _weights(decay: Tensor, bonus: Tensor, key_btd: Tensor, masked_bqt: Tensor) -> Tensor:
    """softmax over i of s_ti for every channel, (B, Q, T, D), for the last Q of T tokens."""
    tokens, queries = key_btd.shape[1], masked_bqt.shape[1]
    at = torch.arange(tokens, device=key_btd.device)
    age_qt = at[tokens - queries :, None] - 1 - at
    extra_qtd = torch.where(age_qt[..., None] < 0, bonus, -age_qt[..., None] * decay)
    scores_bqtd = (key_btd[:, None] + extra_qtd).masked_fill(masked_bqt[..., None], -torch.inf)
    return scores_bqtd.softmax(2)


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


class TimeMixing(nn.Module):
    """W_out (sigmoid(r) * wkv(k, v)), with r, k and v read off shifted tokens (arXiv 2305.13048, section 3.1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.decay, self.bonus = nn.Parameter(torch.empty(width)), nn.Parameter(torch.empty(width))
        self.mix = nn.Parameter(torch.empty(3, width))
        self.key, self.value, self.receptance, self.output = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor, layout: Layout, rows: Tensor | None = None) -> Tensor:
        """(N, D) -> (N, D) or, at `rows` (Q,) alone, (Q, D)."""
        if rows is None:
            for_key, for_value, for_receptance = token_shift(x, self.mix, layout)
        else:
            for_key, for_value = token_shift(x, self.mix[:2], layout)
            (for_receptance,) = token_shift(x, self.mix[2:], layout, rows)
        key, value, receptance = self.key(for_key), self.value(for_value), self.receptance(for_receptance)
        mixed = gated_wkv(self.decay.exp(), self.bonus, key, value, receptance, layout, rows)
        result: Tensor = self.output(mixed)
        return result

    def weights(self, x: Tensor, layout: Layout) -> Tensor:
        """Return the softmax weights of tokens, mean over channels, (B, 1, T, T), for a normalized input (N, D)."""
        (for_key,) = token_shift(x, self.mix[:1], layout)
        key_btd = layout.of_examples(self.key(for_key))
        return _weights(self.decay.exp(), self.bonus, key_btd, layout.masked).mean(-1)[:, None]


class ChannelMixing(nn.Module):
    """sigmoid(r) * W_out relu(k)^2, with r and k read off shifted tokens (arXiv 2305.13048, section 3.1)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.empty(2, width))
        self.key, self.receptance = nn.Linear(width, hidden, bias=False), nn.Linear(width, width, bias=False)
        self.value = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, layout: Layout, rows: Tensor | None = None) -> Tensor:
        """(N, D) -> (N, D) or, at `rows` (Q,) alone, (Q, D)."""
        for_key, for_receptance = token_shift(x, self.mix, layout, rows)
        return gated(self.receptance(for_receptance), self.value(squared_relu(self.key(for_key))))


class Pairs:
    """Pairs of each selected token and the one before it, which its channel mixing reads.

    Attributes:
        rows: (2 Q,) int64, the flat rows of the pairs; a token without one before it stands in its own pair twice.
        without: (2 Q, 1) bool, whether a row only stands in for a token that there is not.
        layout: of the pairs, as examples of two tokens.
        selected: (Q,) int64, where the selected tokens are in `rows`.
    """

    def __init__(self, selected: Selection) -> None:
        layout, first = selected.layout, selected.positions.flatten() == 0
        if layout.prefix_of is None:
            before, without = torch.where(first, selected.rows, selected.rows - 1), first
        else:
            prefix = layout.prefix_of.repeat_interleave(selected.shape[1])
            without = first & (prefix == layout.prefixes)
            before = torch.where(first, (prefix + 1) * layout.prefix_tokens, selected.rows) - 1
            before = torch.where(without, selected.rows, before)
        self.rows = torch.stack((before, selected.rows), dim=1).flatten()
        self.without = torch.stack((without, torch.zeros_like(without)), dim=1).view(-1, 1)
        self.layout = Layout(len(selected.rows), 2, layout.device)
        self.selected = torch.arange(1, len(self.rows), 2, device=layout.device)


class RWKVBlock(nn.Module):
    """x <- x + time_mixing(norm(x));  x <- x + channel_mixing(norm(x)).

    A block of its own, since RWKV's channel mixing too looks one token back. The first has the norm of the embeddings,
    which the backbone applies once, however often the block runs.
    """

    def __init__(self, time_mixing: nn.Module, width: int, hidden: int, epsilon: float, *, first: bool) -> None:
        super().__init__()
        if first:
            self.embedding_norm: nn.Module | None = nn.LayerNorm(width, epsilon)
        else:
            self.embedding_norm = None
        self.time_norm, self.channel_norm = nn.LayerNorm(width, epsilon), nn.LayerNorm(width, epsilon)
        self.time_mixing, self.channel_mixing = time_mixing, ChannelMixing(width, hidden)

    def forward(
        self, hidden: Tensor, layout: Layout, selected: Selection | None = None, memory: nn.Module | None = None
    ) -> Tensor:
        """Return the stream after this block: of all tokens, or in the last block only of the selected ones."""
        x = self.time_norm(hidden)
        if selected is not None and 2 * len(selected.rows) < len(hidden):
            pairs = Pairs(selected)
            hidden = functional.embedding(pairs.rows, hidden) + self.time_mixing(x, layout, pairs.rows)
            x = self.channel_norm(hidden).masked_fill(pairs.without, 0)
            mixed: Tensor = self.channel_mixing(x, pairs.layout, pairs.selected)
            hidden = hidden[1::2]
        else:
            hidden = hidden + self.time_mixing(x, layout)
            x = self.channel_norm(hidden)
            mixed = self.channel_mixing(x, layout, None if selected is None else selected.rows)
            hidden = hidden if selected is None else selected.of(hidden)
        return hidden + mixed if memory is None else hidden + mixed + memory(hidden)


def block(config: Any, number: int) -> RWKVBlock:
    width = config.hidden_size
    return RWKVBlock(TimeMixing(width), width, config.intermediate_size, config.layer_norm_epsilon, first=number == 0)


def _mixes(part: str, *projections: str) -> Stored:
    return Stored(tuple(f"rwkv.blocks.*.{part}.time_mix_{projection}" for projection in projections), unsqueezed=0)


FAST = FastArchitecture(
    block=block,
    final_norm=lambda config: nn.LayerNorm(config.hidden_size),
    entrance="embedding_norm",
    mlp=("channel_norm", "channel_mixing"),
    outputs=("time_mixing.output", "channel_mixing.value"),
    names={
        "embedding.weight": same("rwkv.embeddings.weight"),
        "blocks.*.embedding_norm.weight": same("rwkv.blocks.*.pre_ln.weight"),
        "blocks.*.embedding_norm.bias": same("rwkv.blocks.*.pre_ln.bias"),
        "blocks.*.time_norm.weight": same("rwkv.blocks.*.ln1.weight"),
        "blocks.*.time_norm.bias": same("rwkv.blocks.*.ln1.bias"),
        "blocks.*.time_mixing.decay": same("rwkv.blocks.*.attention.time_decay"),
        "blocks.*.time_mixing.bonus": same("rwkv.blocks.*.attention.time_first"),
        "blocks.*.time_mixing.mix": _mixes("attention", "key", "value", "receptance"),
        "blocks.*.time_mixing.key.weight": same("rwkv.blocks.*.attention.key.weight"),
        "blocks.*.time_mixing.value.weight": same("rwkv.blocks.*.attention.value.weight"),
        "blocks.*.time_mixing.receptance.weight": same("rwkv.blocks.*.attention.receptance.weight"),
        "blocks.*.time_mixing.output.weight": same("rwkv.blocks.*.attention.output.weight"),
        "blocks.*.channel_norm.weight": same("rwkv.blocks.*.ln2.weight"),
        "blocks.*.channel_norm.bias": same("rwkv.blocks.*.ln2.bias"),
        "blocks.*.channel_mixing.mix": _mixes("feed_forward", "key", "receptance"),
        "blocks.*.channel_mixing.key.weight": same("rwkv.blocks.*.feed_forward.key.weight"),
        "blocks.*.channel_mixing.receptance.weight": same("rwkv.blocks.*.feed_forward.receptance.weight"),
        "blocks.*.channel_mixing.value.weight": same("rwkv.blocks.*.feed_forward.value.weight"),
        "final_norm.weight": same("rwkv.ln_out.weight"),
        "final_norm.bias": same("rwkv.ln_out.bias"),
        "head.weight": same("head.weight"),
    },
)
