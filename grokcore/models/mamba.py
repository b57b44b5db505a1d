"""Mamba-1 (arXiv 2312.00752): a selective state space in each block, gated, behind a short convolution; no MLP."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from grokcore.models.architecture import EMBEDDING, HEAD, KERNEL, MATRIX, STATE, VECTOR, Architecture, TransformersModel
from grokcore.spec.models import Mamba

DT_MIN, DT_MAX, DT_FLOOR = 1e-3, 0.1, 1e-4
"""Range of the step size at initialization (mamba_ssm's dt_min, dt_max, dt_init_floor)."""


def dt_rank(spec: Mamba) -> int:
    return math.ceil(spec.width / 16)


def selection_parts(config: Any) -> tuple[int, int, int]:
    """Rows of `x_proj` that make the step size, B and C."""
    return config.time_step_rank, config.state_size, config.state_size


def block_parameters(spec: Mamba) -> int:
    d, inner, n, rank = spec.width, spec.expand * spec.width, spec.state_size, dt_rank(spec)
    projections = 2 * d * inner + inner * (rank + 2 * n) + rank * inner + inner * d
    convolution = inner * spec.conv_kernel + inner
    state_space = inner * n + inner + inner  # A_log, D, bias of the step size
    norm = d
    return projections + convolution + state_space + norm


def block_flops(spec: Mamba, tokens: int) -> float:
    """Seven operations per token, channel and state: exp(dt A), (dt x) B, decay and add, times C and add."""
    d, inner, n, rank = spec.width, spec.expand * spec.width, spec.state_size, dt_rank(spec)
    projections = 2 * (2 * d * inner + inner * (rank + 2 * n) + rank * inner + inner * d)
    convolution = 2 * inner * spec.conv_kernel
    scan = 7 * inner * n
    return tokens * (projections + convolution + scan)


def config(spec: Mamba, layers: int, positions: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": spec.width,
        "state_size": spec.state_size,
        "expand": spec.expand,
        "conv_kernel": spec.conv_kernel,
        "time_step_rank": dt_rank(spec),
    }


def initialize_original(network: Any) -> None:
    """The initialization of state-spaces/mamba: `modules/mamba_simple.py` and `_init_weights` of `mixer_seq_simple.py`.

    Linear and convolution layers as torch draws them (Kaiming uniform), `out_proj` divided by sqrt(layers), embedding
    with std .02; A = -1..-N in every channel, D = 1, the step size log-uniform in [.001, .1] through the inverse
    softplus. transformers draws linear layers and embedding from a normal with std .1, sets the convolution's bias to
    0 and leaves `out_proj` unscaled; the state space agrees and is drawn here again so as not to depend on its version.
    """
    import torch
    from torch import nn

    base, head = network.base_model, network.get_output_embeddings()
    nn.init.normal_(base.embeddings.weight, std=0.02)
    if head.weight is not base.embeddings.weight:
        head.reset_parameters()
    for block in base.layers:
        mixer = block.mixer
        inner, n = mixer.A_log.shape
        rank = mixer.dt_proj.in_features
        for linear in (mixer.in_proj, mixer.conv1d, mixer.x_proj, mixer.out_proj):
            linear.reset_parameters()
        nn.init.uniform_(mixer.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        with torch.no_grad():
            mixer.out_proj.weight.div_(math.sqrt(len(base.layers)))
            mixer.A_log.copy_(torch.arange(1, n + 1, dtype=torch.float32).log().expand(inner, n))
            mixer.D.fill_(1.0)
            dt = torch.empty(inner).uniform_(math.log(DT_MIN), math.log(DT_MAX)).exp().clamp(min=DT_FLOOR)
            mixer.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))


def scan_kernel() -> str:
    """Return the kernel that transformers scans with: the CUDA kernels of mamba-ssm where installed, else torch."""
    return "torch" if importlib.util.find_spec("mamba_ssm") is None else "mamba_ssm"


class _WithoutKernelNotice(logging.Filter):
    """Drops transformers' notice that a Mamba kernel is not installed: the manifest records which one ran."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return "falling back" not in message or not ("mamba" in message or "conv1d" in message)


_WITHOUT_KERNEL_NOTICE = _WithoutKernelNotice()


@contextmanager
def without_kernel_notice() -> Iterator[None]:
    """Silence the notice for the whole process: it comes with the first forward pass, not with the construction."""
    logging.getLogger("transformers.integrations.hub_kernels").addFilter(_WITHOUT_KERNEL_NOTICE)
    yield


ARCHITECTURE = Architecture[Mamba](
    title="Mamba",
    mixing="selective state space, per channel",
    source="arXiv 2312.00752",
    deviations=(
        "init=published are the weights of transformers, which differ from its code's: init=original has those.",
    ),
    state=lambda spec: spec.expand * spec.width * (spec.state_size + spec.conv_kernel - 1),
    block_parameters=block_parameters,
    outer_parameters=lambda spec: spec.width,
    block_flops=block_flops,
    relative_time_per_flop=2.3,
    transformers=TransformersModel(
        model_class="MambaForCausalLM",
        config_class="MambaConfig",
        config=config,
        blocks="layers",
        final_norm="norm_f",
        parameters={
            "backbone.embeddings.weight": EMBEDDING,
            "backbone.layers.*.mixer.conv1d.weight": KERNEL,
            "backbone.layers.*.mixer.in_proj.weight": replace(MATRIX, parts=(1, 1)),
            "backbone.layers.*.mixer.x_proj.weight": replace(MATRIX, parts=selection_parts),
            "backbone.layers.*.mixer.dt_proj.weight": MATRIX,
            "backbone.layers.*.mixer.out_proj.weight": MATRIX,
            "lm_head.weight": HEAD,
            "backbone.layers.*.norm.weight": VECTOR,
            "backbone.layers.*.mixer.A_log": STATE,
            "backbone.layers.*.mixer.D": STATE,
            "backbone.layers.*.mixer.conv1d.bias": VECTOR,
            "backbone.layers.*.mixer.dt_proj.bias": STATE,
            "backbone.norm_f.weight": VECTOR,
        },
        initialize_original=initialize_original,
        choices=lambda: {"scan_kernel": scan_kernel()},
        construction=without_kernel_notice,
    ),
)
