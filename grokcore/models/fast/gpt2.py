"""GPT-2 for short sequences; `grokcore/models/gpt2.py` describes the architecture."""

from __future__ import annotations

from typing import Any

from torch import nn

from grokcore.models.fast.block import Block, FastArchitecture
from grokcore.models.fast.conversion import Stored, same
from grokcore.models.fast.layers import MLP, SelfAttention, dropout


def block(config: Any, number: int) -> Block:
    width = config.n_embd

    def norm() -> nn.Module:
        return nn.LayerNorm(width, eps=config.layer_norm_epsilon)

    return Block(
        norm(),
        SelfAttention(width, config.n_head, bias=True, weight_dropout=config.attn_pdrop),
        norm(),
        MLP(width, config.n_inner),
        dropout(config.resid_pdrop),
    )


def _transposed(name: str) -> Stored:
    return Stored((name,), transposed=True)


FAST = FastArchitecture(
    block=block,
    final_norm=lambda config: nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon),
    position_embeddings=lambda config: config.n_positions,
    longest=lambda config: config.n_positions,
    embedding_dropout=lambda config: dropout(config.embd_pdrop),
    dropouts=lambda config: (config.embd_pdrop, config.resid_pdrop, config.attn_pdrop),
    names={
        "embedding.weight": same("transformer.wte.weight"),
        "position_embedding.weight": same("transformer.wpe.weight"),
        "blocks.*.token_norm.weight": same("transformer.h.*.ln_1.weight"),
        "blocks.*.token_norm.bias": same("transformer.h.*.ln_1.bias"),
        "blocks.*.token_mixer.query_key_value.weight": _transposed("transformer.h.*.attn.c_attn.weight"),
        "blocks.*.token_mixer.query_key_value.bias": same("transformer.h.*.attn.c_attn.bias"),
        "blocks.*.token_mixer.output.weight": _transposed("transformer.h.*.attn.c_proj.weight"),
        "blocks.*.token_mixer.output.bias": same("transformer.h.*.attn.c_proj.bias"),
        "blocks.*.channel_norm.weight": same("transformer.h.*.ln_2.weight"),
        "blocks.*.channel_norm.bias": same("transformer.h.*.ln_2.bias"),
        "blocks.*.channel_mixer.input.weight": _transposed("transformer.h.*.mlp.c_fc.weight"),
        "blocks.*.channel_mixer.input.bias": same("transformer.h.*.mlp.c_fc.bias"),
        "blocks.*.channel_mixer.output.weight": _transposed("transformer.h.*.mlp.c_proj.weight"),
        "blocks.*.channel_mixer.output.bias": same("transformer.h.*.mlp.c_proj.bias"),
        "final_norm.weight": same("transformer.ln_f.weight"),
        "final_norm.bias": same("transformer.ln_f.bias"),
        "head.weight": same("lm_head.weight"),
    },
)
