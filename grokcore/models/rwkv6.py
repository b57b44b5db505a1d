"""RWKV-6 (arXiv 2404.05892): states that are matrices, whose channels decay at rates that the token sets.

RWKV-7 (arXiv 2503.14456) is not here: its values take from those of the first block, so that the residual stream would
no longer be all that one block hands to the next, which replacing the stream at a layer and running blocks again need.

`ARCHITECTURE.deviations` says where it departs from the paper and from its authors' code.
"""

from __future__ import annotations

import math
from typing import Any

from grokcore.models.architecture import EMBEDDING, HEAD, MATRIX, STATE, VECTOR, Architecture, OwnModel
from grokcore.spec.models import RWKV6


def mlp_width(spec: RWKV6) -> int:
    """7/2 of the width, rounded down to a multiple of 32, as BlinkDL/RWKV-LM does."""
    return spec.mlp_width or max(32, 7 * spec.width // 64 * 32)


def low_rank(spec: RWKV6) -> int:
    """Parameters of the projections that shifts and decays come from: five shifts, one decay."""
    return 2 * 5 * spec.width * spec.mix_rank + 2 * spec.width * spec.decay_rank


def block_parameters(spec: RWKV6) -> int:
    d, m = spec.width, mlp_width(spec)
    time_mixing = 5 * d * d + low_rank(spec) + 8 * d  # shifts and their common one, decay, bonus
    channel_mixing = d * d + 2 * d * m + 2 * d
    norms = 6 * d
    return time_mixing + channel_mixing + norms


def mlp_parameters(spec: RWKV6) -> int:
    d, m = spec.width, mlp_width(spec)
    return d * d + 2 * d * m + 2 * d + 2 * d


def block_flops(spec: RWKV6, tokens: int) -> float:
    """Five operations per token and entry of the state: decay, a product of key and value, added, and read."""
    d, m = spec.width, mlp_width(spec)
    projections = 6 * d * d + low_rank(spec) + 2 * d * m
    return tokens * (2 * projections + 5 * state(spec))


def state(spec: RWKV6) -> int:
    return spec.width * spec.width // spec.heads


def config(spec: RWKV6, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "heads": spec.heads,
        "mlp_width": mlp_width(spec),
        "mix_rank": spec.mix_rank,
        "decay_rank": spec.decay_rank,
        "max_position_embeddings": positions,
        "norm_epsilon": 1e-5,
        "head_norm_epsilon": 1e-5 * (spec.width // spec.heads),
    }


def initialize(model: Any, init: str) -> None:
    """BlinkDL/RWKV-LM's, `RWKV-v5/src/model.py` (x060), under either name: no study has published another.

    Matrices that write to the stream begin at 0, the others orthogonal, keys and gates at a tenth; rates of decay and
    shares of shifted tokens rise over the channels, in a way that depends on the layer. The original never ties
    embedding and head: where the spec does, the embedding's weights stand.
    """
    import torch
    from torch import nn

    layers, width, vocabulary = len(model.blocks), model.config.hidden_size, model.vocabulary_size
    channels = torch.arange(width)
    if model.head.weight is not model.embedding.weight:
        nn.init.orthogonal_(model.head.weight, gain=0.5 * math.sqrt(max(vocabulary / width, 1)))
    nn.init.uniform_(model.embedding.weight, -1e-4, 1e-4)
    nn.init.ones_(model.final_norm.weight)
    nn.init.zeros_(model.final_norm.bias)
    for number, block in enumerate(model.blocks):
        rising, falling = number / max(layers - 1, 1), 1 - number / layers
        for name, parameter in block.named_parameters():
            if "norm" in name:
                nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
        share = (channels / width) ** falling
        time, channel = block.time_mixing, block.channel_mixing
        nn.init.constant_(time.norm_weight, ((1 + number) / layers) ** 0.7)
        time.common_shift.copy_(1 - share)
        of_receptance = 1 - (channels / width) ** (falling / 2)
        time.shift.copy_(torch.stack((of_receptance, of_receptance, 1 - share, 1 - share - 0.3 * rising, 1 - share)))
        nn.init.zeros_(time.shift_down)
        nn.init.uniform_(time.shift_up, -0.01, 0.01)
        ramp = channels / max(width - 1, 1)
        time.decay.copy_(-6 + 5 * ramp ** (0.7 + 1.3 * rising))
        nn.init.zeros_(time.decay_down)
        nn.init.uniform_(time.decay_up, -0.01, 0.01)
        time.bonus.copy_(rising * (1 - ramp) + 0.1 * ((channels + 1) % 3 - 1))
        channel.mix.copy_(share.expand(2, width))
        for zero in (time.output, channel.value, channel.receptance):
            nn.init.zeros_(zero.weight)
        for orthogonal, gain in (
            (time.receptance, 1.0),
            (time.gate, 0.1),
            (time.key, 0.1),
            (time.value, 1.0),
            (channel.key, 1.0),
        ):
            nn.init.orthogonal_(orthogonal.weight, gain=gain)


ARCHITECTURE = Architecture[RWKV6](
    title="RWKV-6",
    mixing="linear attention, decay per channel and shifts set by the token",
    source="arXiv 2404.05892",
    deviations=(
        "The epsilon of the norm of each head is 1e-5 x size of the head; its code has 64e-5 for heads of 64 channels.",
        "One learning rate for all parameters; its code has twice to three times the rate for decays and bonuses.",
        "The norm behind the embeddings begins dominated by its epsilon, as in its code: embeddings begin within 1e-4.",
    ),
    block_parameters=block_parameters,
    mlp_parameters=mlp_parameters,
    outer_parameters=lambda spec: 4 * spec.width,  # a norm before the first block, and one after the last
    block_flops=block_flops,
    relative_time_per_flop=2.2,
    state=lambda spec: state(spec) + 2 * spec.width,
    own=OwnModel(
        config=config,
        initialize=initialize,
        parameters={
            "embedding.weight": EMBEDDING,
            "blocks.*.time_mixing.receptance.weight": MATRIX,
            "blocks.*.time_mixing.gate.weight": MATRIX,
            "blocks.*.time_mixing.key.weight": MATRIX,
            "blocks.*.time_mixing.value.weight": MATRIX,
            "blocks.*.time_mixing.output.weight": MATRIX,
            "blocks.*.channel_mixing.key.weight": MATRIX,
            "blocks.*.channel_mixing.receptance.weight": MATRIX,
            "blocks.*.channel_mixing.value.weight": MATRIX,
            "head.weight": HEAD,
            "blocks.*.embedding_norm.weight": VECTOR,
            "blocks.*.embedding_norm.bias": VECTOR,
            "blocks.*.time_norm.weight": VECTOR,
            "blocks.*.time_norm.bias": VECTOR,
            "blocks.*.channel_norm.weight": VECTOR,
            "blocks.*.channel_norm.bias": VECTOR,
            "blocks.*.time_mixing.common_shift": STATE,
            "blocks.*.time_mixing.shift": STATE,
            "blocks.*.time_mixing.shift_down": STATE,
            "blocks.*.time_mixing.shift_up": STATE,
            "blocks.*.time_mixing.decay": STATE,
            "blocks.*.time_mixing.decay_down": STATE,
            "blocks.*.time_mixing.decay_up": STATE,
            "blocks.*.time_mixing.bonus": STATE,
            "blocks.*.time_mixing.norm_weight": VECTOR,
            "blocks.*.time_mixing.norm_bias": VECTOR,
            "blocks.*.channel_mixing.mix": STATE,
            "final_norm.weight": VECTOR,
            "final_norm.bias": VECTOR,
        },
    ),
)
