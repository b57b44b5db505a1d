"""Size and arithmetic of a model from its spec alone: pure Python, so that a command line can ask without torch."""

from __future__ import annotations

from dataclasses import dataclass

from grokcore.models.registry import ARCHITECTURES
from grokcore.spec.model import ModelSpec


@dataclass(frozen=True)
class ParameterCount:
    total: int
    without_embeddings: int
    """Blocks and norms: neither token and position embeddings nor the head, tied or not (as in arXiv 2001.08361)."""


def resolved_layers(spec: ModelSpec) -> int:
    """Number of blocks that are built.

    With `match: parameters` as many as come closest to the block parameters of a GPT-2 of `spec.layers` and
    `spec.width`: 12 width^2 + 13 width in each.
    """
    if spec.match == "layers":
        return spec.layers
    architecture = ARCHITECTURES[spec.architecture]
    reference = spec.layers * (12 * spec.width**2 + 13 * spec.width)
    return max(architecture.minimum_layers, round(reference / architecture.block_parameters(spec)))


def parameter_count(spec: ModelSpec, *, vocabulary_size: int, sequence_length: int) -> ParameterCount:
    """Number of trained parameters; `sequence_length` is the longest row in tokens, answer and eos included."""
    architecture = ARCHITECTURES[spec.architecture]
    blocks = resolved_layers(spec) * architecture.block_parameters(spec)
    without_embeddings = blocks + architecture.outer_parameters(spec)
    token_matrices = 1 if spec.tie_embeddings else 2
    embeddings = token_matrices * vocabulary_size * spec.width
    positions = architecture.position_parameters(spec, sequence_length)
    return ParameterCount(without_embeddings + embeddings + positions, without_embeddings)


def forward_flops(spec: ModelSpec, *, vocabulary_size: int, tokens: int, supervised: int) -> float:
    """Floating point operations of the plain model's forward pass on one example.

    Plain: every token in every block, attention scores of all tokens with all, the head at the supervised positions.
    No trick of execution changes this number.

    Args:
        tokens: length of the input.
        supervised: number of positions whose prediction enters the loss.
    """
    blocks = resolved_layers(spec) * ARCHITECTURES[spec.architecture].block_flops(spec, tokens)
    head = 2 * supervised * spec.width * vocabulary_size
    return float(blocks + head)


def step_flops(spec: ModelSpec, *, vocabulary_size: int, tokens: int, supervised: int, batch_size: int) -> float:
    """Floating point operations of one training step: the backward pass costs twice the forward pass."""
    forward = forward_flops(spec, vocabulary_size=vocabulary_size, tokens=tokens, supervised=supervised)
    return 3 * batch_size * forward


def execution_choices(spec: ModelSpec, device: str) -> dict[str, str]:
    """What carries out the model's arithmetic on a `cpu` or `cuda` device here, for the manifest."""
    if spec.implementation == "transformers":
        return ARCHITECTURES[spec.architecture].transformers.choices()
    from grokcore.models.fast.kernels import kernel_choice

    return {"kernels": kernel_choice() if device == "cpu" else "torch"}
