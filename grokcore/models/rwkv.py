"""RWKV-4 (arXiv 2305.13048): time mixing by a per-channel decaying average of values, and channel mixing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from grokcore.models.architecture import EMBEDDING, HEAD, MATRIX, STATE, VECTOR, Architecture, TransformersModel
from grokcore.spec.models import RWKV


def mlp_width(spec: RWKV) -> int:
    return spec.mlp_width or 4 * spec.width


def block_parameters(spec: RWKV) -> int:
    d, m = spec.width, mlp_width(spec)
    time_mixing = 4 * d * d + 5 * d
    channel_mixing = d * d + 2 * d * m + 2 * d
    norms = 4 * d
    return time_mixing + channel_mixing + norms


def mlp_parameters(spec: RWKV) -> int:
    d, m = spec.width, mlp_width(spec)
    return d * d + 2 * d * m + 2 * d + 2 * d


def block_flops(spec: RWKV, tokens: int) -> float:
    """The weighted average itself is linear in the width, so it is left out like any activation."""
    d, m = spec.width, mlp_width(spec)
    return 2 * tokens * (5 * d * d + 2 * d * m)


def config(spec: RWKV, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "attention_hidden_size": spec.width,
        "intermediate_size": mlp_width(spec),
        "context_length": positions,
        # Halving weights every few layers at evaluation is for fp16 inference; here it would alter trained weights.
        "rescale_every": 0,
    }


def initialize_original(network: Any) -> None:
    """The initialization of BlinkDL/RWKV-LM, `RWKV-v4/src/model.py` (`RWKV_Init` and `scale_init`).

    transformers sets `time_first` to 1 and draws all matrices orthogonally; the original has log(.3) + zigzag and
    starts those at 0 that would let a block write to the stream. The orthogonal ones are drawn again by role, since
    transformers takes any matrix of the head's shape for a head. `time_decay` and `time_mix_*` agree already. The
    original never ties embedding and head: where the spec does, the embedding's weights stand.
    """
    import torch
    from torch import nn

    base, head = network.base_model, network.get_output_embeddings()
    width = base.embeddings.embedding_dim
    channels = torch.arange(width)
    time_first = math.log(0.3) + 0.5 * ((channels + 1) % 3 - 1)

    def orthogonal(weight: torch.Tensor, scale: float = 1.0) -> None:
        outputs, inputs = weight.shape
        nn.init.orthogonal_(weight, gain=scale * math.sqrt(max(outputs / inputs, 1.0)))

    for block in base.blocks:
        attention, feed_forward = block.attention, block.feed_forward
        with torch.no_grad():
            attention.time_first.copy_(time_first)
        for zero in (
            attention.key,
            attention.receptance,
            attention.output,
            feed_forward.receptance,
            feed_forward.value,
        ):
            nn.init.zeros_(zero.weight)
        orthogonal(attention.value.weight)
        orthogonal(feed_forward.key.weight)
    if head.weight is not base.embeddings.weight:
        orthogonal(head.weight, scale=0.5)
    nn.init.orthogonal_(base.embeddings.weight, gain=1e-4 * math.sqrt(max(base.embeddings.weight.shape)))


@contextmanager
def without_hub_kernel() -> Iterator[None]:
    """Keep transformers from fetching a CUDA kernel for the average from the network while it constructs a model.

    It tries to where a GPU, ninja and the package `kernels` are present, and goes on without when that fails.
    """
    from transformers.models.rwkv import modeling_rwkv

    def refuse(context_length: int) -> NoReturn:
        raise ImportError("models are built without the network")

    load_kernel = modeling_rwkv.load_wkv_cuda_kernel
    modeling_rwkv.load_wkv_cuda_kernel = refuse
    try:
        yield
    finally:
        modeling_rwkv.load_wkv_cuda_kernel = load_kernel


ARCHITECTURE = Architecture[RWKV](
    title="RWKV-4",
    mixing="average of values that decays with age, per channel",
    source="arXiv 2305.13048",
    deviations=(
        "init=published are the weights of transformers, which differ from its code's: init=original has those.",
        "One learning rate for all parameters; its code has twice to three times the rate for decays and bonuses.",
        "The norm behind the embeddings begins dominated by its epsilon, as in its code: embeddings begin within 1e-4.",
    ),
    state=lambda spec: 4 * spec.width,  # numerator and denominator of the average, the last token of both mixers
    block_parameters=block_parameters,
    mlp_parameters=mlp_parameters,
    outer_parameters=lambda spec: 4 * spec.width,  # a norm before the first block, which transformers keeps inside it
    block_flops=block_flops,
    relative_time_per_flop=1.1,
    minimum_layers=2,
    transformers=TransformersModel(
        model_class="RwkvForCausalLM",
        config_class="RwkvConfig",
        config=config,
        blocks="blocks",
        final_norm="ln_out",
        parameters={
            "rwkv.embeddings.weight": EMBEDDING,
            "rwkv.blocks.*.attention.key.weight": MATRIX,
            "rwkv.blocks.*.attention.value.weight": MATRIX,
            "rwkv.blocks.*.attention.receptance.weight": MATRIX,
            "rwkv.blocks.*.attention.output.weight": MATRIX,
            "rwkv.blocks.*.feed_forward.key.weight": MATRIX,
            "rwkv.blocks.*.feed_forward.receptance.weight": MATRIX,
            "rwkv.blocks.*.feed_forward.value.weight": MATRIX,
            "head.weight": HEAD,
            "rwkv.blocks.*.pre_ln.weight": VECTOR,
            "rwkv.blocks.*.pre_ln.bias": VECTOR,
            "rwkv.blocks.*.ln1.weight": VECTOR,
            "rwkv.blocks.*.ln1.bias": VECTOR,
            "rwkv.blocks.*.ln2.weight": VECTOR,
            "rwkv.blocks.*.ln2.bias": VECTOR,
            "rwkv.blocks.*.attention.time_decay": STATE,
            "rwkv.blocks.*.attention.time_first": STATE,
            "rwkv.blocks.*.attention.time_mix_key": STATE,
            "rwkv.blocks.*.attention.time_mix_value": STATE,
            "rwkv.blocks.*.attention.time_mix_receptance": STATE,
            "rwkv.blocks.*.feed_forward.time_mix_key": STATE,
            "rwkv.blocks.*.feed_forward.time_mix_receptance": STATE,
            "rwkv.ln_out.weight": VECTOR,
            "rwkv.ln_out.bias": VECTOR,
        },
        initialize_original=initialize_original,
        choices=lambda: {"time_mixing_kernel": "torch"},
        construction=without_hub_kernel,
    ),
)
