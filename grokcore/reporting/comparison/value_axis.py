"""An axis for the values of a setting, each of which has its tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grokcore.runs.groups import value_text

_LOGARITHMIC = 8
"""Ratio of the largest to the smallest positive value from which they are spaced by their logarithms."""


@dataclass(frozen=True)
class ValueAxis:
    """Places of values; on a logarithmic axis 0 stands left of the smallest, a step away."""

    places: dict[float, float]
    is_logarithmic: bool

    @property
    def ticks(self) -> list[tuple[float, str]]:
        return [(place, value_text(value)) for value, place in self.places.items()]

    @property
    def limits(self) -> tuple[float, float]:
        low, high = min(self.places.values()), max(self.places.values())
        margin = 0.08 * (high - low) or 1.0
        return low - margin, high + margin

    @property
    def scale(self) -> str:
        if not self.is_logarithmic:
            return ""
        return "log scale; 0 at the left edge" if 0 in self.places else "log scale"


def value_axis(values: Sequence[float]) -> ValueAxis:
    """The axis on which all of `values`, at least one, stand."""
    shown = sorted(set(values))
    positive = [value for value in shown if value > 0]
    if shown[0] < 0 or len(positive) < 2 or positive[-1] / positive[0] < _LOGARITHMIC:
        return ValueAxis({value: float(value) for value in shown}, False)
    places = {value: math.log10(value) for value in positive}
    spacing = (places[positive[-1]] - places[positive[0]]) / (len(positive) - 1)
    zero = {shown[0]: places[positive[0]] - spacing} if shown[0] == 0 else {}
    return ValueAxis({**zero, **places}, True)
