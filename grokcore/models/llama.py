"""LLaMA (arXiv 2302.13971): pre-RMSNorm, rotary positions, multi-head attention, SwiGLU; no biases."""

from __future__ import annotations

from typing import Any

from grokcore.models.architecture import ATTENTION, EMBEDDING, HEAD, MATRIX, VECTOR, Architecture, TransformersModel
from grokcore.spec.models import LLaMA


def mlp_width(spec: LLaMA) -> int:
    return spec.mlp_width or swiglu_width(spec.width)


def swiglu_width(width: int) -> int:
    """8/3 of the width, so that three matrices are as large as GPT-2's two, rounded up to a multiple of 32."""
    return -(-8 * width // 96) * 32


def block_parameters(spec: LLaMA) -> int:
    d, m = spec.width, mlp_width(spec)
    attention = 4 * d * d
    mlp = 3 * d * m
    norms = 2 * d
    return attention + mlp + norms


def mlp_parameters(spec: LLaMA) -> int:
    return 3 * spec.width * mlp_width(spec) + spec.width


def block_flops(spec: LLaMA, tokens: int) -> float:
    d, m = spec.width, mlp_width(spec)
    projections = 2 * tokens * (4 * d * d + 3 * d * m)
    scores_and_values = 4 * tokens * tokens * d
    return projections + scores_and_values


def config(spec: LLaMA, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "num_attention_heads": spec.heads,
        "intermediate_size": mlp_width(spec),
        "max_position_embeddings": positions,
        "attention_dropout": spec.dropout,
    }


def initialize_original(network: Any) -> None:
    """Do nothing: neither the paper nor Meta's code publishes an initialization, so `original` is `published` here."""


ARCHITECTURE = Architecture[LLaMA](
    title="LLaMA",
    mixing="softmax attention, rotary positions",
    source="arXiv 2302.13971",
    state=lambda spec: 2 * spec.width,
    state_grows=True,
    block_parameters=block_parameters,
    mlp_parameters=mlp_parameters,
    outer_parameters=lambda spec: spec.width,
    block_flops=block_flops,
    relative_time_per_flop=1.0,
    transformers=TransformersModel(
        model_class="LlamaForCausalLM",
        config_class="LlamaConfig",
        config=config,
        blocks="layers",
        final_norm="norm",
        parameters={
            "model.embed_tokens.weight": EMBEDDING,
            "model.layers.*.self_attn.q_proj.weight": MATRIX,
            "model.layers.*.self_attn.k_proj.weight": MATRIX,
            "model.layers.*.self_attn.v_proj.weight": MATRIX,
            "model.layers.*.self_attn.o_proj.weight": MATRIX,
            "model.layers.*.mlp.gate_proj.weight": MATRIX,
            "model.layers.*.mlp.up_proj.weight": MATRIX,
            "model.layers.*.mlp.down_proj.weight": MATRIX,
            "lm_head.weight": HEAD,
            "model.layers.*.input_layernorm.weight": VECTOR,
            "model.layers.*.post_attention_layernorm.weight": VECTOR,
            "model.norm.weight": VECTOR,
        },
        initialize_original=initialize_original,
        choices=lambda: {"attention": ATTENTION},
        needs_causal_mask=True,
    ),
)
