"""DeltaNet (arXiv 2406.06484): linear attention whose tokens replace what their key has stored, by the delta rule.

`ARCHITECTURE.deviations` says where it departs from the paper and from its authors' code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grokcore.models.architecture import EMBEDDING, HEAD, KERNEL, MATRIX, VECTOR, Architecture, OwnModel
from grokcore.models.initialization import draw_normal, draw_xavier
from grokcore.models.llama import swiglu_width
from grokcore.spec.models import DeltaNet


def mlp_width(spec: DeltaNet) -> int:
    return spec.mlp_width or swiglu_width(spec.width)


def block_parameters(spec: DeltaNet) -> int:
    d, m = spec.width, mlp_width(spec)
    attention = 4 * d * d + d * spec.heads + d // spec.heads
    convolution = 3 * d * spec.conv_kernel
    mlp = 3 * d * m
    norms = 2 * d
    return attention + convolution + mlp + norms


def mlp_parameters(spec: DeltaNet) -> int:
    d, m = spec.width, mlp_width(spec)
    return 3 * d * m + d


def block_flops(spec: DeltaNet, tokens: int) -> float:
    """Six operations per token and entry of the state: read by the key, what is new added in, read by the query."""
    d, m = spec.width, mlp_width(spec)
    projections = 4 * d * d + d * spec.heads + 3 * d * m
    convolution = 3 * d * spec.conv_kernel
    return tokens * (2 * (projections + convolution) + 6 * state(spec))


def state(spec: DeltaNet) -> int:
    return spec.width * spec.width // spec.heads


def config(spec: DeltaNet, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "heads": spec.heads,
        "mlp_width": mlp_width(spec),
        "conv_kernel": spec.conv_kernel,
        "max_position_embeddings": positions,
        "norm_epsilon": 1e-6,
    }


def initialize(model: Any, init: str) -> None:
    """`original`: the authors' first public code, which draws the mixer's projections by Xavier's rule with gain
    2^-2.5 and leaves the convolutions to torch. `published`: flash-linear-attention's today, from a normal of standard
    deviation .02, all but the convolutions, which torch draws here too."""
    from torch import nn

    draw_normal(model)
    width, taps = model.config.hidden_size, model.config.conv_kernel
    if init == "original":
        draw_xavier(model, "token_mixer", {"query_key_value": (width, width, width)}, gain=2**-2.5)
    for block in model.blocks:
        nn.init.uniform_(block.token_mixer.convolution, -(taps**-0.5), taps**-0.5)


ARCHITECTURE = Architecture[DeltaNet](
    title="DeltaNet",
    mixing="linear attention by the delta rule, short convolution",
    source="arXiv 2406.06484",
    deviations=(
        "Queries are not divided by the root of their size, as in the paper; in flash-linear-attention they are.",
        "Each head's norm cancels such a factor but for its epsilon, 1e-6 as in flash-linear-attention.",
        "init=published leaves convolutions to torch, as the authors' first code; flash-linear-attention has std .02.",
        "With that, a head would begin with a variance of 1e-7, below the epsilon of its norm.",
    ),
    block_parameters=block_parameters,
    mlp_parameters=mlp_parameters,
    outer_parameters=lambda spec: spec.width,
    block_flops=block_flops,
    relative_time_per_flop=2.5,
    state=lambda spec: state(spec) + 3 * spec.width * (spec.conv_kernel - 1),
    own=OwnModel(
        config=config,
        initialize=initialize,
        parameters={
            "embedding.weight": EMBEDDING,
            "blocks.*.token_mixer.query_key_value.weight": replace(MATRIX, parts=(1, 1, 1)),
            "blocks.*.token_mixer.convolution": KERNEL,
            "blocks.*.token_mixer.rate.weight": MATRIX,
            "blocks.*.token_mixer.output.weight": MATRIX,
            "blocks.*.channel_mixer.gate_up.weight": replace(MATRIX, parts=(1, 1)),
            "blocks.*.channel_mixer.output.weight": MATRIX,
            "head.weight": HEAD,
            "blocks.*.token_norm.weight": VECTOR,
            "blocks.*.token_mixer.norm_weight": VECTOR,
            "blocks.*.channel_norm.weight": VECTOR,
            "final_norm.weight": VECTOR,
        },
    ),
)
