"""What the laboratory has to know about an architecture, said without importing torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

S = TypeVar("S")
"""The spec class of the architecture, one of `grokcore.spec.model`."""

ATTENTION = "eager"
"""How transformers computes attention: at 5 tokens the explicit products beat its `sdpa` in time."""


@dataclass(frozen=True)
class TransformersModel(Generic[S]):
    """Where the Hugging Face implementation of an architecture keeps what the laboratory reaches for."""

    model_class: str
    """Name of the class in `transformers`."""
    config_class: str
    config: Callable[[S, int, int], dict[str, Any]]
    """(spec, layers, positions) -> the configuration's own fields, those common to all architectures left out."""
    blocks: str
    """Name of the list of blocks in the base model."""
    final_norm: str
    """Name of the normalisation between the last block and the head, in the base model."""
    decayed: frozenset[str]
    """Names of the parameters that weight decay acts on, `*` for a block's number."""
    not_decayed: frozenset[str]
    """Names of the parameters that it spares: together with `decayed` all there are."""
    initialise_original: Callable[[Any], None]
    """Overwrites the weights of a new model by the architecture's own initialisation, where transformers' differs."""
    choices: Callable[[], dict[str, str]]
    """What computes the tokens' mixing here, for the manifest."""
    needs_causal_mask: bool = False
    """Whether the model takes its causality from a mask."""
    construction: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered while the model is constructed."""


@dataclass(frozen=True)
class Architecture(Generic[S]):
    """One architecture: how large it is, what it computes, and who computes it."""

    block_parameters: Callable[[S], int]
    """Parameters of one block."""
    outer_parameters: Callable[[S], int]
    """Parameters outside blocks, embeddings and head: norms."""
    block_flops: Callable[[S, int], float]
    """(spec, tokens) -> floating point operations of the forward pass of one block on one sequence: two for each
    multiplication and addition of a matrix product or convolution, all tokens; what is linear in the width (norms,
    activations, softmax, gates) is left out."""
    transformers: TransformersModel[S]
    position_parameters: Callable[[S, int], int] = lambda spec, positions: 0
    """(spec, positions) -> parameters of learned position embeddings."""
    minimum_layers: int = 1
