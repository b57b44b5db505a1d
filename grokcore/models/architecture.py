"""The description of an architecture: sizes, arithmetic, configuration and parameters, without importing torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from grokcore.spec.training import Role

S = TypeVar("S")
"""The spec class of the architecture, one of `grokcore.spec.models`."""

ATTENTION = "eager"
"""How transformers computes attention: at 5 tokens the explicit products beat its `sdpa` in time."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of an architecture, or the parameter of that name in each of its blocks."""

    role: Role
    decayed: bool
    """Whether weight decay acts on it where `decay_groups` is explicit."""
    parts: Sequence[int] | Callable[[Any], Sequence[int]] = (1,)
    """Relative sizes of the logical parameters that lie side by side along its output dimension, such as query, key and
    value; or a function of the model's configuration that returns them."""
    transposed: bool = False
    """Whether transformers stores it as (inputs, outputs), as GPT-2's Conv1D does."""


EMBEDDING, POSITION, HEAD = (Parameter(role, decayed=True) for role in ("embedding", "position", "head"))
MATRIX = Parameter("matrix", decayed=True)
VECTOR = Parameter("vector", decayed=False)
"""A bias or a norm's gain."""
STATE = Parameter("state", decayed=False)
"""What sets how a recurrence decays and mixes: RWKV's time parameters, Mamba's `A_log`, `D` and step size bias."""
KERNEL = Parameter("state", decayed=True)
"""A convolution over time."""


@dataclass(frozen=True)
class TransformersModel(Generic[S]):
    """Names of the parts of an architecture's Hugging Face implementation that grokcore uses."""

    model_class: str
    """Name of the class in `transformers`."""
    config_class: str
    config: Callable[[S, int, int], dict[str, Any]]
    """(spec, layers, positions) -> the configuration's own fields, those common to all architectures left out."""
    blocks: str
    """Name of the list of blocks in the base model."""
    final_norm: str
    """Name of the normalization between the last block and the head, in the base model."""
    parameters: Mapping[str, Parameter]
    """Every parameter by its name, `*` for a block's number."""
    initialize_original: Callable[[Any], None]
    """Overwrites the weights of a new network by the architecture's own initialization, where transformers' differs."""
    choices: Callable[[], dict[str, str]]
    """() -> which implementation computes the token mixer here, for the manifest."""
    initialize_pytorch: Callable[[Any], None] | None = None
    """Overwrites them by the defaults of torch.nn; None where a part has none."""
    needs_causal_mask: bool = False
    """Whether the model takes its causality from a mask."""
    construction: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered while the model is constructed."""


@dataclass(frozen=True)
class OwnModel(Generic[S]):
    """Configuration, initialization and parameters of an architecture that transformers does not know."""

    config: Callable[[S, int, int], dict[str, Any]]
    """(spec, layers, positions) -> configuration fields of its blocks, without those common to all architectures."""
    initialize: Callable[[Any, str], None]
    """(model, the spec's `init`) draws every weight of a new fast model, from torch's generator of the CPU."""
    parameters: Mapping[str, Parameter]
    """Every parameter, as in `TransformersModel`, but by our name or that of its public code."""


@dataclass(frozen=True)
class Architecture(Generic[S]):
    """One architecture: names, sizes, arithmetic, and the implementations that compute it."""

    title: str
    """Its name as papers write it."""
    mixing: str
    """How tokens reach each other, in a few words."""
    source: str
    """The paper: an arXiv id, or authors and year."""
    block_parameters: Callable[[S], int]
    """Parameters of one block."""
    outer_parameters: Callable[[S], int]
    """Parameters outside blocks, embeddings and head: norms."""
    block_flops: Callable[[S, int], float]
    """(spec, tokens) -> floating point operations of the forward pass of one block on one sequence: two for each
    multiplication and addition of a matrix product or convolution, all tokens; what is linear in the width (norms,
    activations, softmax, gates) is left out."""
    relative_time_per_flop: float
    """Time per FLOP of a training step against GPT-2's, measured on a CPU core with 2 layers of width 64. It orders the
    runs of a sweep; no result depends on it."""
    state: Callable[[S], int]
    """Size of the state of one block that the next token is computed from."""
    transformers: TransformersModel[S] | None = None
    """None where transformers does not know it; `own` is set then."""
    own: OwnModel[S] | None = None
    state_grows: bool = False
    """Whether `state` is the size for each token, rather than for the whole sequence."""
    mlp_parameters: Callable[[S], int] = lambda spec: 0
    """Of a block's parameters, those of the channel mixer and the norm before it, which layers can share."""
    position_parameters: Callable[[S, int], int] = lambda spec, positions: 0
    """(spec, positions) -> parameters of learned position embeddings."""
    minimum_layers: int = 1
    spec: type[S] | None = None
    """For an architecture of another package or of a notebook: the class of its fields, a subclass of PluginModel."""
    fast: Callable[[], Any] | None = None
    """For such an architecture: () -> its FastArchitecture, importing torch; ours are in `grokcore.models.fast`."""
    deviations: tuple[str, ...] = ()
    """Where it departs from its paper or from its authors' code, a sentence each."""

    @property
    def weights(self) -> TransformersModel[S] | OwnModel[S]:
        """The part that describes the parameters: their configuration, roles and decay."""
        drawn_by = self.transformers or self.own
        if drawn_by is None:
            raise ValueError(f"{self.title} needs `transformers` or `own`")
        return drawn_by
