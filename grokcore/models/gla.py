"""GLA, gated linear attention (arXiv 2312.06635): each channel of the keys decays at a rate that the token sets.

`ARCHITECTURE.deviations` says where it departs from the paper and from its authors' code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grokcore.models.architecture import EMBEDDING, HEAD, MATRIX, VECTOR, Architecture, OwnModel
from grokcore.models.initialization import draw_normal, draw_xavier
from grokcore.models.llama import swiglu_width
from grokcore.spec.models import GLA


def mlp_width(spec: GLA) -> int:
    return spec.mlp_width or swiglu_width(spec.width)


def block_parameters(spec: GLA) -> int:
    d, m, r, keys = spec.width, mlp_width(spec), spec.gate_rank, spec.width // 2
    attention = 2 * d * keys + 3 * d * d + d // spec.heads
    gate = d * r + r * keys + keys
    mlp = 3 * d * m
    norms = 2 * d
    return attention + gate + mlp + norms


def mlp_parameters(spec: GLA) -> int:
    d, m = spec.width, mlp_width(spec)
    return 3 * d * m + d


def block_flops(spec: GLA, tokens: int) -> float:
    """Five operations per token and entry of the state: decay, a product of key and value, added, and read."""
    d, m, r, keys = spec.width, mlp_width(spec), spec.gate_rank, spec.width // 2
    projections = 2 * d * keys + 3 * d * d + d * r + r * keys + 3 * d * m
    return tokens * (2 * projections + 5 * state(spec))


def state(spec: GLA) -> int:
    return spec.width // 2 * spec.width // spec.heads


def config(spec: GLA, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "heads": spec.heads,
        "mlp_width": mlp_width(spec),
        "gate_rank": spec.gate_rank,
        "gate_temperature": 16.0,
        "max_position_embeddings": positions,
        "norm_epsilon": 1e-6,
    }


def initialize(model: Any, init: str) -> None:
    """`original`: the authors' first public code, which draws the mixer's projections by Xavier's rule with gain
    2^-2.5. `published`: flash-linear-attention's today, all from a normal of standard deviation .02."""
    draw_normal(model)
    if init == "original":
        width = model.config.hidden_size
        parts = {"query_gate": (width // 2, width), "key_value": (width // 2, width)}
        draw_xavier(model, "token_mixer", parts, gain=2**-2.5)


ARCHITECTURE = Architecture[GLA](
    title="GLA",
    mixing="linear attention, decay per channel set by the token",
    source="arXiv 2312.06635",
    deviations=(
        "RMSNorm of blocks and of each head, with epsilon 1e-6, as in flash-linear-attention; the paper has LayerNorm.",
        "The output's gate has no bias, as in its code; the paper's has one.",
        "Queries are divided by the root of their size, as in its code; the paper's equations do not.",
    ),
    block_parameters=block_parameters,
    mlp_parameters=mlp_parameters,
    outer_parameters=lambda spec: spec.width,
    block_flops=block_flops,
    relative_time_per_flop=1.7,
    state=state,
    own=OwnModel(
        config=config,
        initialize=initialize,
        parameters={
            "embedding.weight": EMBEDDING,
            "blocks.*.token_mixer.query_gate.weight": replace(MATRIX, parts=(1, 2)),
            "blocks.*.token_mixer.key_value.weight": replace(MATRIX, parts=(1, 2)),
            "blocks.*.token_mixer.forget_low_rank.weight": MATRIX,
            "blocks.*.token_mixer.forget.weight": MATRIX,
            "blocks.*.token_mixer.output.weight": MATRIX,
            "blocks.*.channel_mixer.gate_up.weight": replace(MATRIX, parts=(1, 1)),
            "blocks.*.channel_mixer.output.weight": MATRIX,
            "head.weight": HEAD,
            "blocks.*.token_norm.weight": VECTOR,
            "blocks.*.token_mixer.forget.bias": VECTOR,
            "blocks.*.token_mixer.norm_weight": VECTOR,
            "blocks.*.channel_norm.weight": VECTOR,
            "final_norm.weight": VECTOR,
        },
    ),
)
