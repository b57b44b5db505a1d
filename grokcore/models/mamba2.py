"""Mamba-2 (arXiv 2405.21060): a state space model whose heads decay as a whole, at rates that the token sets.

`ARCHITECTURE.deviations` says where it departs from the paper and from its authors' code.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from grokcore.models.architecture import EMBEDDING, HEAD, KERNEL, MATRIX, STATE, VECTOR, Architecture, TransformersModel
from grokcore.models.mamba import DT_FLOOR, DT_MAX, DT_MIN, scan_kernel, without_kernel_notice
from grokcore.spec.models import Mamba2

A_MIN, A_MAX = 1.0, 16.0
"""Range of the decay rates at initialization (mamba_ssm's A_init_range)."""


def inner_width(spec: Mamba2) -> int:
    return spec.expand * spec.width


def convolved(spec: Mamba2) -> int:
    """Channels of the convolution: inputs of the scan, B and C, the latter two shared by all heads."""
    return inner_width(spec) + 2 * spec.state_size


def input_parts(config: Any) -> tuple[int, ...]:
    """Rows of `in_proj` that make the gate, the input of the scan, B, C and the step sizes of the heads."""
    inner, shared = config.expand * config.hidden_size, config.n_groups * config.state_size
    return inner, inner, shared, shared, config.num_heads


def block_parameters(spec: Mamba2) -> int:
    d, inner, channels = spec.width, inner_width(spec), convolved(spec)
    projections = d * (inner + channels + spec.heads) + inner * d
    convolution = channels * spec.conv_kernel + channels
    state_space = 3 * spec.heads  # A_log, D, bias of the step size
    norms = d + inner
    return projections + convolution + state_space + norms


def block_flops(spec: Mamba2, tokens: int) -> float:
    """Five operations per token, channel and state: decay, (dt x) B, added, times C and added."""
    d, inner, channels = spec.width, inner_width(spec), convolved(spec)
    projections = d * (inner + channels + spec.heads) + inner * d
    convolution = channels * spec.conv_kernel
    scan = 5 * inner * spec.state_size
    return tokens * (2 * (projections + convolution) + scan)


def config(spec: Mamba2, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "num_heads": spec.heads,
        "head_dim": inner_width(spec) // spec.heads,
        "state_size": spec.state_size,
        "expand": spec.expand,
        "conv_kernel": spec.conv_kernel,
        "n_groups": 1,
        # transformers pads every sequence to a multiple of this; its kernels want a power of 2, and 16 at least.
        "chunk_size": min(256, max(16, 2 ** math.ceil(math.log2(positions)))),
    }


def initialize_original(network: Any) -> None:
    """The initialization of state-spaces/mamba: `modules/mamba2_simple.py`, `_init_weights` of `mixer_seq_simple.py`.

    Linear and convolution layers as torch draws them (Kaiming uniform), `out_proj` divided by sqrt(layers), embedding
    with std .02; A uniform in [1, 16], D = 1, the step size log-uniform in [.001, .1] through the inverse softplus.
    transformers draws linear layers and embedding from a normal with std .1, counts A up from 1 by head, sets the
    convolution's bias to 0 and leaves `out_proj` unscaled.
    """
    import torch
    from torch import nn

    base, head = network.base_model, network.get_output_embeddings()
    nn.init.normal_(base.embeddings.weight, std=0.02)
    if head.weight is not base.embeddings.weight:
        head.reset_parameters()
    for block in base.layers:
        mixer = block.mixer
        for linear in (mixer.in_proj, mixer.conv1d, mixer.out_proj):
            linear.reset_parameters()
        with torch.no_grad():
            mixer.out_proj.weight.div_(math.sqrt(len(base.layers)))
            mixer.A_log.uniform_(A_MIN, A_MAX).log_()
            mixer.D.fill_(1.0)
            dt = torch.empty_like(mixer.dt_bias).uniform_(math.log(DT_MIN), math.log(DT_MAX)).exp().clamp(min=DT_FLOOR)
            mixer.dt_bias.copy_(dt + torch.log(-torch.expm1(-dt)))


ARCHITECTURE = Architecture[Mamba2](
    title="Mamba-2",
    mixing="selective state space, decay per head set by the token",
    source="arXiv 2405.21060",
    deviations=(
        "The number of heads is given, not their size (64 in its code): a head has expand x width / heads channels.",
        "All heads share B and C (one group), and no limits bound the step size, as its code has by default.",
        "init=published are the weights of transformers, which differ from its code's: init=original has those.",
    ),
    block_parameters=block_parameters,
    mlp_parameters=lambda spec: 0,
    outer_parameters=lambda spec: spec.width,
    block_flops=block_flops,
    relative_time_per_flop=1.6,
    state=lambda spec: inner_width(spec) * spec.state_size + convolved(spec) * (spec.conv_kernel - 1),
    transformers=TransformersModel(
        model_class="Mamba2ForCausalLM",
        config_class="Mamba2Config",
        config=config,
        blocks="layers",
        final_norm="norm_f",
        parameters={
            "backbone.embeddings.weight": EMBEDDING,
            "backbone.layers.*.mixer.conv1d.weight": KERNEL,
            "backbone.layers.*.mixer.in_proj.weight": replace(MATRIX, parts=input_parts),
            "backbone.layers.*.mixer.out_proj.weight": MATRIX,
            "lm_head.weight": HEAD,
            "backbone.layers.*.norm.weight": VECTOR,
            "backbone.layers.*.mixer.A_log": STATE,
            "backbone.layers.*.mixer.D": STATE,
            "backbone.layers.*.mixer.dt_bias": STATE,
            "backbone.layers.*.mixer.conv1d.bias": VECTOR,
            "backbone.layers.*.mixer.norm.weight": VECTOR,
            "backbone.norm_f.weight": VECTOR,
        },
        initialize_original=initialize_original,
        choices=lambda: {"scan_kernel": scan_kernel()},
        construction=without_kernel_notice,
    ),
)
