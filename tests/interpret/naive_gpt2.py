"""GPT-2 and what can be composed into it, for one question at a time and one position after the other."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import gelu

from grokcore.models import SequenceModel

Patch = tuple[int, tuple[int, ...], Tensor]
"""Layer, positions, and the streams (L + 1, T, D) that are written there."""


def norm(x: Tensor, module: torch.nn.LayerNorm) -> Tensor:
    centered = x - x.mean()
    return centered / (centered.square().mean() + module.eps).sqrt() * module.weight + module.bias


def attention(x_td: list[Tensor], mixer: torch.nn.Module) -> list[Tensor]:
    width, heads = len(x_td[0]), mixer.heads
    size = width // heads
    mixed = []
    for t in range(len(x_td)):
        parts = []
        for head in range(heads):
            query, keys, values = (
                [
                    (mixer.query_key_value.weight @ x + mixer.query_key_value.bias)[place : place + size]
                    for x in x_td[: t + 1]
                ]
                for place in (head * size, width + head * size, 2 * width + head * size)
            )
            weights = torch.stack([(query[t] @ key) / math.sqrt(size) for key in keys]).softmax(0)
            parts.append(sum(weight * value for weight, value in zip(weights, values, strict=True)))
        mixed.append(mixer.output.weight @ torch.cat(parts) + mixer.output.bias)
    return mixed


def mlp(x: Tensor, module: torch.nn.Module) -> Tensor:
    hidden = gelu(module.input.weight @ x + module.input.bias, approximate="tanh")
    return module.output.weight @ hidden + module.output.bias


def memory(x: Tensor, module: torch.nn.Module) -> Tensor:
    normed, content = norm(x, module.ln), module.content
    if hasattr(content, "keys"):
        return content.values.T @ (content.keys @ normed).softmax(0)
    return mlp(normed, content)


@torch.no_grad()
def run(model: SequenceModel, tokens: list[int], patch: Patch | None = None) -> tuple[Tensor, Tensor]:
    """Return the logits (V,) after the last token, and the streams (L + 1, T, D) as the blocks leave them."""
    composition = model.composition
    stream = [model.embedding.weight[token] + model.position_embedding.weight[t] for t, token in enumerate(tokens)]
    seen: list[Tensor] = []

    def patched(stream: list[Tensor]) -> list[Tensor]:
        if patch is not None and patch[0] == len(seen):
            stream = [patch[2][patch[0], t] if t in patch[1] else x for t, x in enumerate(stream)]
        seen.append(torch.stack(stream))
        return stream

    stream = patched(stream)
    for number, blocks in enumerate(composition.rounds(len(model.blocks), composition.loops)):
        before = stream
        if number and composition.reentry is not None:
            table = model.embedding.weight
            stream = [x + table.T @ (composition.reentry * (table @ x)).softmax(0) for x in stream]
        for place, which in enumerate(blocks):
            block = model.blocks[which]
            mixed = attention([norm(x, block.token_norm) for x in stream], block.token_mixer)
            middle = [x + m for x, m in zip(stream, mixed, strict=True)]
            stream = [x + mlp(norm(x, block.channel_norm), block.channel_mixer) for x in middle]
            if composition.memory is not None:
                (read,) = model._memory_of(which)
                stream = [x + memory(m, read) for x, m in zip(stream, middle, strict=True)]
            if place == len(blocks) - 1 and composition.tolerance is not None:
                stream = [
                    old if (new - old).norm() <= composition.tolerance * old.norm() else new
                    for old, new in zip(before, stream, strict=True)
                ]
            stream = patched(stream)
    logits = model.head.weight @ norm(stream[-1], model.final_norm)
    return logits, torch.stack(seen)
