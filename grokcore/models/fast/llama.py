"""LLaMA for short sequences; `grokcore/models/llama.py` describes the architecture."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.conversion import Stored, same
from grokcore.models.fast.layers import RMSNorm, SelfAttention, SwiGLU, rotary


def block(config: Any, number: int) -> Block:
    width, heads = config.hidden_size, config.num_attention_heads
    rotation = partial(rotary, size=width // heads, base=config.rope_parameters["rope_theta"])
    return Block(
        norm(config),
        SelfAttention(width, heads, bias=False, weight_dropout=config.attention_dropout, rotation=rotation),
        norm(config),
        SwiGLU(width, config.intermediate_size),
    )


def norm(config: Any) -> nn.Module:
    return RMSNorm(config.hidden_size, config.rms_norm_eps)


FAST = FastArchitecture(
    block=block,
    final_norm=norm,
    longest=lambda config: config.max_position_embeddings,
    dropouts=lambda config: (config.attention_dropout,),
    names={
        "embedding.weight": same("model.embed_tokens.weight"),
        "blocks.*.token_norm.weight": same("model.layers.*.input_layernorm.weight"),
        "blocks.*.token_mixer.query_key_value.weight": Stored(
            tuple(f"model.layers.*.self_attn.{part}_proj.weight" for part in ("q", "k", "v"))
        ),
        "blocks.*.token_mixer.output.weight": same("model.layers.*.self_attn.o_proj.weight"),
        "blocks.*.channel_norm.weight": same("model.layers.*.post_attention_layernorm.weight"),
        "blocks.*.channel_mixer.gate_up.weight": Stored(
            ("model.layers.*.mlp.gate_proj.weight", "model.layers.*.mlp.up_proj.weight")
        ),
        "blocks.*.channel_mixer.output.weight": same("model.layers.*.mlp.down_proj.weight"),
        "final_norm.weight": same("model.norm.weight"),
        "head.weight": same("lm_head.weight"),
    },
)
