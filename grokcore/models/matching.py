"""`match`: the size at which an architecture is compared with a GPT-2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from pydantic import ValidationError

from grokcore.models.registry import ARCHITECTURES
from grokcore.models.stack import block_flops, block_parameters
from grokcore.spec.model import GPT2, ModelSpec

TOKENS = 6
"""Length of the sequence whose arithmetic `match: flops` compares: that of a comparison. It belongs to no task, so that
a spec is built in the same size for all; attention alone is not proportional to it, and hardly at such lengths."""


@dataclass(frozen=True)
class Match:
    """What `match` chose.

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

    def words(self, spec: ModelSpec) -> str:
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


def match_words(spec: Any) -> str | None:
    """What `match` chose, in one line for people; None with `match: layers`."""
    found = match_of(spec)
    return None if found is None else found.words(spec)


def built_spec(spec: Any) -> Any:
    """The spec with the number of layers and the width that are built."""
    found = match_of(spec)
    return spec if found is None else spec.model_copy(update={"layers": found.layers, "width": found.width})


@lru_cache(maxsize=256)
def match_of(spec: Any) -> Match | None:
    """What `match` chooses for `spec`, or None with `match: layers`, where spec.layers and spec.width stand.

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
    """Of the widths that the architecture can have, in steps of two channels a head or of eight, the closest."""
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
