"""Size and arithmetic of a model from its spec alone: pure Python, so that a command line can ask without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grokcore.models.composition import Composition
from grokcore.models.matching import built_spec
from grokcore.models.registry import ARCHITECTURES
from grokcore.models.stack import block_flops, block_parameters, reentry_flops
from grokcore.spec.model import ModelSpec


@dataclass(frozen=True)
class ParameterCount:
    total: int
    without_embeddings: int
    """Blocks and norms: neither token and position embeddings nor the head, tied or not (as in arXiv 2001.08361)."""


def resolved_layers(spec: ModelSpec) -> int:
    """Number of blocks with weights of their own that are built; `match` may choose another than `spec.layers`."""
    layers: int = built_spec(spec).layers
    return layers


def parameter_count(spec: ModelSpec, *, vocabulary_size: int, sequence_length: int) -> ParameterCount:
    """Number of trained parameters; `sequence_length` is the longest row in tokens, answer and eos included."""
    architecture, built = ARCHITECTURES[spec.architecture], built_spec(spec)
    without_embeddings = block_parameters(built, built.layers) + architecture.outer_parameters(built)
    token_matrices = 1 if built.tie_embeddings else 2
    embeddings = token_matrices * vocabulary_size * built.width
    positions = architecture.position_parameters(built, sequence_length)
    return ParameterCount(without_embeddings + embeddings + positions, without_embeddings)


def forward_flops(spec: ModelSpec, *, vocabulary_size: int, tokens: int, supervised: int) -> float:
    """Floating point operations of the plain model's forward pass on one example.

    Plain: every token in every run of a block, attention scores of all tokens with all, the head at the supervised
    positions. No trick of execution changes this number. Where loops are drawn at random it is the mean.

    Args:
        tokens: length of the input.
        supervised: number of positions whose prediction enters the loss.
    """
    built = built_spec(spec)
    blocks = block_flops(built, built.layers, tokens)
    reentry = reentry_flops(built, vocabulary_size=vocabulary_size, tokens=tokens)
    head = 2 * supervised * built.width * vocabulary_size
    return float(blocks + reentry + head)


def step_flops(spec: ModelSpec, *, vocabulary_size: int, tokens: int, supervised: int, batch_size: int) -> float:
    """Floating point operations of one training step: the backward pass costs twice the forward pass."""
    forward = forward_flops(spec, vocabulary_size=vocabulary_size, tokens=tokens, supervised=supervised)
    return 3 * batch_size * forward


def file_format(spec: ModelSpec) -> Literal["transformers", "grokcore"]:
    """Whose format its files have: ours where transformers has no such blocks, or none composed like these."""
    known = ARCHITECTURES[spec.architecture].transformers is not None
    return "transformers" if known and Composition.of(spec).unrolls else "grokcore"


def execution_choices(spec: ModelSpec, device: str) -> dict[str, str]:
    """What carries out the model's arithmetic on a `cpu` or `cuda` device here, for the manifest."""
    layout = ARCHITECTURES[spec.architecture].transformers
    if layout is not None and spec.implementation == "transformers":
        return layout.choices()
    from grokcore.models.fast.kernels import kernel_facts

    return kernel_facts() if device == "cpu" else {"kernels": "torch"}
