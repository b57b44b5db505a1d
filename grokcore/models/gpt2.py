"""GPT-2 (Radford et al., 2019): pre-LayerNorm, learned positions, multi-head attention, GELU MLP."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from grokcore.models.architecture import (
    ATTENTION,
    EMBEDDING,
    HEAD,
    MATRIX,
    POSITION,
    VECTOR,
    Architecture,
    TransformersModel,
)
from grokcore.spec.models import GPT2


def mlp_width(spec: GPT2) -> int:
    return spec.mlp_width or 4 * spec.width


def block_parameters(spec: GPT2) -> int:
    d, m = spec.width, mlp_width(spec)
    attention = 4 * d * d + 4 * d
    mlp = 2 * d * m + m + d
    norms = 4 * d
    return attention + mlp + norms


def mlp_parameters(spec: GPT2) -> int:
    d, m = spec.width, mlp_width(spec)
    return 2 * d * m + m + d + 2 * d


def block_flops(spec: GPT2, tokens: int) -> float:
    d, m = spec.width, mlp_width(spec)
    projections = 2 * tokens * (4 * d * d + 2 * d * m)
    scores_and_values = 4 * tokens * tokens * d
    return projections + scores_and_values


def config(spec: GPT2, layers: int, positions: int) -> dict[str, Any]:
    return {
        "n_layer": layers,
        "n_embd": spec.width,
        "n_head": spec.heads,
        "n_inner": mlp_width(spec),
        "n_positions": positions,
        # The same function as GPT-2's `gelu_new`, from one kernel instead of eight.
        "activation_function": "gelu_pytorch_tanh",
        "resid_pdrop": spec.dropout,
        "embd_pdrop": spec.dropout,
        "attn_pdrop": spec.dropout,
    }


def initialize_original(network: Any) -> None:
    """OpenAI's initialization: positions with std .01, projections into the residual stream scaled by 1/sqrt(2 layers).

    Sources: `model.py` of openai/gpt-2 (wpe .01, wte and weights .02, biases 0) and section 2.3 of the paper (the
    scale). transformers draws the positions with .02; its other weights agree, but the scaled ones are drawn here
    again so that they do not depend on its version.
    """
    from torch import nn

    base = network.base_model
    nn.init.normal_(base.wpe.weight, std=0.01)
    residual_std = 0.02 / math.sqrt(2 * len(base.h))
    for block in base.h:
        nn.init.normal_(block.attn.c_proj.weight, std=residual_std)
        nn.init.normal_(block.mlp.c_proj.weight, std=residual_std)


def initialize_pytorch(network: Any) -> None:
    """Draw the defaults of nn.Embedding, nn.MultiheadAttention and nn.Linear, of which small studies build the model.

    Embeddings from N(0, 1). Weights and biases of a layer with f inputs from U(-1/sqrt(f), 1/sqrt(f)), except for
    attention: queries, keys and values are one matrix (3 d, d) by Xavier's rule, and its biases are 0.
    """
    from torch import nn

    def draw_linear(layer: Any) -> None:
        bound = 1 / math.sqrt(len(layer.weight))  # a Conv1D of transformers: (inputs, outputs)
        nn.init.uniform_(layer.weight, -bound, bound)
        nn.init.uniform_(layer.bias, -bound, bound)

    base, width = network.base_model, network.config.n_embd
    for embedding in (base.wte, base.wpe):
        nn.init.normal_(embedding.weight)
    for block in base.h:
        nn.init.xavier_uniform_(block.attn.c_attn.weight)
        draw_linear(block.attn.c_proj)
        nn.init.zeros_(block.attn.c_proj.bias)
        draw_linear(block.mlp.c_fc)
        draw_linear(block.mlp.c_proj)
    if not network.config.tie_word_embeddings:
        nn.init.uniform_(network.lm_head.weight, -1 / math.sqrt(width), 1 / math.sqrt(width))


CONV1D = replace(MATRIX, transposed=True)

ARCHITECTURE = Architecture[GPT2](
    title="GPT-2",
    mixing="softmax attention, learned positions",
    source="Radford et al., 2019",
    state=lambda spec: 2 * spec.width,
    state_grows=True,
    block_parameters=block_parameters,
    mlp_parameters=mlp_parameters,
    outer_parameters=lambda spec: 2 * spec.width,
    position_parameters=lambda spec, positions: positions * spec.width,
    block_flops=block_flops,
    relative_time_per_flop=1.0,
    transformers=TransformersModel(
        model_class="GPT2LMHeadModel",
        config_class="GPT2Config",
        config=config,
        blocks="h",
        final_norm="ln_f",
        parameters={
            "transformer.wte.weight": EMBEDDING,
            "transformer.wpe.weight": POSITION,
            "transformer.h.*.attn.c_attn.weight": replace(CONV1D, parts=(1, 1, 1)),
            "transformer.h.*.attn.c_proj.weight": CONV1D,
            "transformer.h.*.mlp.c_fc.weight": CONV1D,
            "transformer.h.*.mlp.c_proj.weight": CONV1D,
            "lm_head.weight": HEAD,
            "transformer.h.*.ln_1.weight": VECTOR,
            "transformer.h.*.ln_1.bias": VECTOR,
            "transformer.h.*.attn.c_attn.bias": replace(VECTOR, parts=(1, 1, 1)),
            "transformer.h.*.attn.c_proj.bias": VECTOR,
            "transformer.h.*.ln_2.weight": VECTOR,
            "transformer.h.*.ln_2.bias": VECTOR,
            "transformer.h.*.mlp.c_fc.bias": VECTOR,
            "transformer.h.*.mlp.c_proj.bias": VECTOR,
            "transformer.ln_f.weight": VECTOR,
            "transformer.ln_f.bias": VECTOR,
        },
        initialize_original=initialize_original,
        initialize_pytorch=initialize_pytorch,
        choices=lambda: {"attention": ATTENTION},
        needs_causal_mask=True,
    ),
)
