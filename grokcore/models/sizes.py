"""Parameters and FLOPs of a model from its spec alone, and `match`, which sizes it like a GPT-2; without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Literal

from pydantic import ValidationError

from grokcore.models.composition import Composition
from grokcore.models.registry import ARCHITECTURES
from grokcore.spec.composition import MemoryMLP, MemorySlots, MemorySpec
from grokcore.spec.models import GPT2, Model, ModelSpec

TOKENS = 6
"""Length of the sequence whose arithmetic `match: flops` compares: that of a comparison. It belongs to no task, so that
a spec is built in the same size for all; attention alone is not proportional to it, and hardly at such lengths."""


@dataclass(frozen=True)
class Match:
    """The size that `match` chose.

    Attributes:
        layers: number of blocks with weights of their own.
        width: of the residual stream.
        size: parameters of the blocks, or operations of a forward pass through them.
        reference: the same of the GPT-2 that it is held against.
    """

    layers: int
    width: int
    size: float
    reference: float

    def describe(self, spec: ModelSpec) -> str:
        """One line for people."""
        chosen = _layers(self.layers) if spec.match_by == "depth" else f"width {self.width}"
        unit, scale = ("M parameters", 1e6) if spec.match == "parameters" else ("MFLOP a sequence", 1e6)
        return (
            f"model.match={spec.match}: {chosen} of {ARCHITECTURES[spec.architecture].title}, blocks of "
            f"{self.size / scale:.3g} {unit}, {self.size / self.reference - 1:+.1%} against the "
            f"{self.reference / scale:.3g} of a GPT-2 of {_layers(spec.layers)} and width {spec.width}"
        )


def _layers(number: int) -> str:
    return f"{number} layer{'' if number == 1 else 's'}"


def match_description(spec: Any) -> str | None:
    """Describe the size that `match` chose in one line; None with `match: layers`."""
    found = match_of(spec)
    return None if found is None else found.describe(spec)


def built_spec(spec: Any) -> Any:
    """Return the spec with the number of layers and the width that are built."""
    found = match_of(spec)
    return spec if found is None else spec.model_copy(update={"layers": found.layers, "width": found.width})


@lru_cache(maxsize=256)
def match_of(spec: Any) -> Match | None:
    """Return the size that `match` chooses for `spec`; None with `match: layers`, which takes the spec's own.

    The size that comes closest to that of the blocks of a plain GPT-2 of `spec.layers` and `spec.width`; what is
    shared counts once as parameters, and as often as it runs as arithmetic.
    """
    if spec.match == "layers":
        return None
    measure: Callable[[Any, int], float] = block_parameters if spec.match == "parameters" else _flops
    reference = measure(GPT2(layers=spec.layers, width=spec.width, heads=1), spec.layers)
    choose = _depth if spec.match_by == "depth" else _width
    size, layers, width = choose(spec, measure, reference)
    return Match(layers, width, size, reference)


def _flops(spec: Any, layers: int) -> float:
    return block_flops(spec, layers, TOKENS)


Sized = tuple[float, int, int]
"""Its measure, layers and width."""


def _depth(spec: Any, measure: Callable[[Any, int], float], reference: float) -> Sized:
    """Between the last number of layers below the reference and the first that is not, the closer; if equal, the even.

    Not fewer than the architecture, or a shared MLP, can be built with.
    """
    least = max(ARCHITECTURES[spec.architecture].minimum_layers, 2 if getattr(spec.sharing, "kind", "") == "mlp" else 1)
    below: Sized | None = None
    for layers in count(least):
        sized = (measure(spec, layers), layers, spec.width)
        if sized[0] >= reference:
            break
        below = sized
    if below is None:
        return sized
    return min(below, sized, key=lambda one: (abs(one[0] - reference), one[1] % 2))


def _width(spec: Any, measure: Callable[[Any, int], float], reference: float) -> Sized:
    """Return the closest of the widths that an architecture can have, in steps of two channels a head or of eight."""
    step = 2 * getattr(spec, "heads", 4)
    candidates = []
    for width in count(step, step):
        try:
            wider = type(spec).model_validate({**spec.model_dump(), "width": width})
        except ValidationError:
            if width > 64 * spec.width:
                break
            continue
        candidates.append((measure(wider, spec.layers), spec.layers, width))
        if candidates[-1][0] >= reference:
            break
    return min(candidates, key=lambda one: abs(one[0] - reference))


def block_parameters(spec: Any, layers: int) -> int:
    """Parameters of `layers` blocks, what they share counted once, and of their memory."""
    architecture, composition = ARCHITECTURES[spec.architecture], Composition.of(spec)
    parameters = layers * architecture.block_parameters(spec)
    if composition.shares_mlp:
        parameters -= (layers - 1) * architecture.mlp_parameters(spec)
    return parameters + _memory_parameters(composition.memory, spec.width, layers)


def block_flops(spec: Any, layers: int, tokens: int) -> float:
    """Operations of a forward pass of one sequence through all the runs of `layers` blocks, as `Architecture` counts.

    Of a random number of loops the mean, of an adaptive one the most, since all of these are computed.
    """
    each: float = ARCHITECTURES[spec.architecture].block_flops(spec, tokens)
    remembering = 4 * tokens * spec.width * _memory_size(Composition.of(spec).memory)
    flops: float = mean_passes(spec, layers) * (each + remembering)
    return flops


def mean_passes(spec: Model, layers: int) -> float:
    """Return the mean number of blocks that a training step runs the stream through."""
    composition = Composition.of(spec)
    (first, *others) = composition.rounds(layers, 1)
    return composition.mean_loops * len(first) + sum(map(len, others))


def reentry_flops(spec: Model, *, vocabulary_size: int, tokens: int) -> float:
    """Operations of the way through the embedding space between rounds: two products with the embedding matrix."""
    composition = Composition.of(spec)
    if composition.reentry is None:
        return 0.0
    rounds = composition.mean_loops * len(composition.rounds(1, 1))
    return (rounds - 1) * 4 * tokens * spec.width * vocabulary_size


def _memory_size(memory: MemorySpec | None) -> int:
    """Hidden width, or slots."""
    match memory:
        case MemoryMLP(width=size) | MemorySlots(slots=size):
            return size
    return 0


def _memory_parameters(memory: MemorySpec | None, width: int, layers: int) -> int:
    match memory:
        case MemoryMLP(width=hidden):
            each = 2 * width * hidden + hidden + width
        case MemorySlots(slots=slots):
            each = 2 * width * slots
        case None:
            return 0
    norm = 2 * width
    return memory.places(layers) * (each + norm)


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
    embedding = head = vocabulary_size * built.width
    if (rank := embedding_rank(spec)) is not None:
        embedding = rank * (vocabulary_size + built.width)
    embeddings = embedding + (0 if built.tie_embeddings else head)
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
    forward = batch_size * forward_flops(spec, vocabulary_size=vocabulary_size, tokens=tokens, supervised=supervised)
    if (rank := embedding_rank(spec)) is not None:
        forward += 2 * vocabulary_size * rank * built_spec(spec).width  # the product, once for a batch
    return 3 * forward


def embedding_rank(spec: Model) -> int | None:
    """Rank of the token embedding if it is trained as a product of two matrices, else None."""
    return None if spec.start_from is None else spec.start_from.rank


def file_format(spec: ModelSpec) -> Literal["transformers", "grokcore"]:
    """Return the format of a model's files: ours if transformers does not know its blocks or their composition."""
    known = ARCHITECTURES[spec.architecture].transformers is not None
    return "transformers" if known and Composition.of(spec).unrolls else "grokcore"


def execution_choices(spec: ModelSpec, device: str) -> dict[str, str]:
    """Return what carries out the model's arithmetic on a `cpu` or `cuda` device here, for the manifest."""
    layout = ARCHITECTURES[spec.architecture].transformers
    if layout is not None and spec.implementation == "transformers":
        return layout.choices()
    from grokcore.models.fast.gpu_kernels import gpu_kernel_facts
    from grokcore.models.fast.kernels import kernel_facts

    return kernel_facts() if device == "cpu" else {"kernels": "torch"} | gpu_kernel_facts()
