"""Linear attention (arXiv 2006.16236): GPT-2 whose attention weighs by elu(q) + 1 and elu(k) + 1 instead of a softmax.

All else is GPT-2's, its initial weights too, number for number: the mixer is the one thing that differs.

`ARCHITECTURE.deviations` says where it departs from the paper and from its authors' code.
"""

from __future__ import annotations

from typing import Any

from grokcore.models import gpt2
from grokcore.models.architecture import Architecture, OwnModel
from grokcore.spec.models import GPT2, LinearAttention


def as_gpt2(spec: LinearAttention) -> GPT2:
    return GPT2(layers=spec.layers, width=spec.width, heads=spec.heads, mlp_width=spec.mlp_width)


def block_flops(spec: LinearAttention, tokens: int) -> float:
    """Four operations per token and entry of the state: a product of key and value, added, and read by the query."""
    d, m = spec.width, gpt2.mlp_width(as_gpt2(spec))
    return tokens * (2 * (4 * d * d + 2 * d * m) + 4 * state(spec))


def state(spec: LinearAttention) -> int:
    return spec.width * spec.width // spec.heads


def config(spec: LinearAttention, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "heads": spec.heads,
        "mlp_width": gpt2.mlp_width(as_gpt2(spec)),
        "max_position_embeddings": positions,
    }


def initialize(model: Any, init: str) -> None:
    """GPT-2's weights; neither the paper nor its code has any of its own for a language model."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = model.config
    network = GPT2LMHeadModel(
        GPT2Config(
            n_layer=config.num_hidden_layers,
            n_embd=config.hidden_size,
            n_head=config.heads,
            n_inner=config.mlp_width,
            n_positions=config.max_position_embeddings,
            vocab_size=config.vocab_size,
            tie_word_embeddings=config.tie_word_embeddings,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
    if init == "original":
        gpt2.initialize_original(network)
    model.load_transformers(dict(network.named_parameters()), drawn=True)


ARCHITECTURE = Architecture[LinearAttention](
    title="Linear attention",
    mixing="attention by elu + 1, learned positions",
    source="arXiv 2006.16236",
    deviations=(
        "The rest of the block is GPT-2's, learned positions and initial weights included.",
        "1e-6 is added to the sum of the weights, as in its code; the paper adds nothing.",
    ),
    block_parameters=lambda spec: gpt2.block_parameters(as_gpt2(spec)),
    mlp_parameters=lambda spec: gpt2.mlp_parameters(as_gpt2(spec)),
    outer_parameters=lambda spec: 2 * spec.width,
    position_parameters=lambda spec, positions: positions * spec.width,
    block_flops=block_flops,
    relative_time_per_flop=1.4,
    state=lambda spec: state(spec) + spec.width,  # and the sum of the keys
    own=OwnModel(
        config=config,
        initialize=initialize,
        parameters=gpt2.ARCHITECTURE.weights.parameters,
    ),
)
