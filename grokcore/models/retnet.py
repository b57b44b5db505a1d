"""RetNet (arXiv 2307.08621): retention, which is linear attention that decays with distance at a rate for each head.

That of the paper and of the first public code (microsoft/torchscale): LayerNorm, an MLP with GELU. Rotary frequencies
are 10000^-x with x evenly spaced from 0 to 1 inclusive, and all norms have an epsilon of 1e-6, as in that code.
`ARCHITECTURE.deviations` says where it departs from either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grokcore.models.architecture import EMBEDDING, HEAD, MATRIX, VECTOR, Architecture, OwnModel
from grokcore.models.initialization import draw_normal, draw_xavier
from grokcore.spec.models import RetNet


def mlp_width(spec: RetNet) -> int:
    """Twice the width, and values twice as wide as keys: as many parameters as a transformer has (section 3.1)."""
    return spec.mlp_width or 2 * spec.width


def block_parameters(spec: RetNet) -> int:
    d, m = spec.width, mlp_width(spec)
    retention = 8 * d * d
    mlp = 2 * d * m + m + d
    norms = 4 * d
    return retention + mlp + norms


def mlp_parameters(spec: RetNet) -> int:
    d, m = spec.width, mlp_width(spec)
    return 2 * d * m + m + d + 2 * d


def block_flops(spec: RetNet, tokens: int) -> float:
    """Five operations per token and entry of the state: decay, a product of key and value, added, and read."""
    d, m = spec.width, mlp_width(spec)
    return tokens * (2 * (8 * d * d + 2 * d * m) + 5 * state(spec))


def state(spec: RetNet) -> int:
    return 2 * spec.width * spec.width // spec.heads


def config(spec: RetNet, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "heads": spec.heads,
        "mlp_width": mlp_width(spec),
        "max_position_embeddings": positions,
        "rotary_base": 10000.0,
        "rotary_to_base": True,
        "hidden_act": "gelu",
        "norm_epsilon": 1e-6,
    }


def initialize(model: Any, init: str) -> None:
    """`original`: microsoft/torchscale, which draws the projections of retention by Xavier's rule with gain 2^-2.5
    (the one back into the stream with 1), embeddings with a standard deviation of 1/sqrt(width), and leaves the MLP
    to torch. `published`: all from a normal of standard deviation .02."""
    from torch import nn

    draw_normal(model)
    if init == "original":
        width = model.config.hidden_size
        parts = {"query_gate": (width, 2 * width), "key_value": (width, 2 * width)}
        draw_xavier(model, "token_mixer", parts, gain=2**-2.5)
        draw_xavier(model, "token_mixer.output", {}, gain=1.0)
        for block in model.blocks:
            block.channel_mixer.input.reset_parameters()
            block.channel_mixer.output.reset_parameters()
        for weight in dict.fromkeys((model.embedding.weight, model.head.weight)):
            nn.init.normal_(weight, std=width**-0.5)


ARCHITECTURE = Architecture[RetNet](
    title="RetNet",
    mixing="retention: linear attention, fixed decay per head, rotary positions",
    source="arXiv 2307.08621",
    deviations=(
        "LayerNorm and an MLP with GELU, as in the paper and its first code; later code has RMSNorm and a GLU.",
        "Score normalization (section 2.3) divides by the root of the size alone: each head's norm cancels the rest.",
        "That norm cancels it but for its epsilon, 1e-6 as in its code since August 2023.",
        "Channels c and c + size/2 of a head are rotated together, in its code neighbors: a renaming of channels.",
        "init=published draws all weights with a standard deviation of .02, as flash-linear-attention does.",
    ),
    block_parameters=block_parameters,
    mlp_parameters=mlp_parameters,
    outer_parameters=lambda spec: 2 * spec.width,
    block_flops=block_flops,
    relative_time_per_flop=1.6,
    state=state,
    own=OwnModel(
        config=config,
        initialize=initialize,
        parameters={
            "embedding.weight": EMBEDDING,
            "blocks.*.token_mixer.query_gate.weight": replace(MATRIX, parts=(1, 2)),
            "blocks.*.token_mixer.key_value.weight": replace(MATRIX, parts=(1, 2)),
            "blocks.*.token_mixer.output.weight": MATRIX,
            "blocks.*.channel_mixer.input.weight": MATRIX,
            "blocks.*.channel_mixer.output.weight": MATRIX,
            "head.weight": HEAD,
            "blocks.*.token_norm.weight": VECTOR,
            "blocks.*.token_norm.bias": VECTOR,
            "blocks.*.channel_norm.weight": VECTOR,
            "blocks.*.channel_norm.bias": VECTOR,
            "blocks.*.channel_mixer.input.bias": VECTOR,
            "blocks.*.channel_mixer.output.bias": VECTOR,
            "final_norm.weight": VECTOR,
            "final_norm.bias": VECTOR,
        },
    ),
)
