"""Axes of charts: steps on a logarithmic scale with room for step 0, and the values of a setting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grokcore.reporting.formatting import count
from grokcore.runs.fields import value_text


@dataclass(frozen=True)
class StepAxis:
    """Places for the steps from 0 to `last`.

    A logarithm has no place for step 0, so that it stands at the left edge, at `zero`, marked off and labeled 0.
    """

    first: int
    last: int
    has_zero: bool

    @property
    def zero(self) -> float:
        """The position of step 0."""
        return self.first / max(1.8, float((self.last / self.first) ** 0.06))

    @property
    def divide(self) -> float:
        """Between step 0 and the first step of the logarithmic part."""
        return math.sqrt(self.zero * self.first)

    @property
    def limits(self) -> tuple[float, float]:
        margin = max(1.03, (self.last / self.first) ** 0.02)
        left = self.zero if self.has_zero else self.first
        return left / margin, self.last * margin

    def position(self, step: int) -> float:
        return self.zero if step <= 0 else float(step)

    def share(self, step: float) -> float:
        """The place of a step, or of a tick, as a share of the axis, 0 at its left and 1 at its right end."""
        left, right = (math.log(limit) for limit in self.limits)
        return (math.log(step if step > 0 else self.zero) - left) / (right - left)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Positions and labels: powers of ten, or 1-2-5 where the axis spans less than two of them."""
        wide = self.last / self.first >= 100
        lowest, highest = math.floor(math.log10(self.first)), math.ceil(math.log10(self.last))
        steps = (
            factor * 10**exponent for exponent in range(lowest, highest + 1) for factor in ((1,) if wide else (1, 2, 5))
        )
        _, right = self.limits
        labeled = [(float(step), count(step)) for step in steps if self.first <= step <= right]
        if not labeled:
            labeled = [(float(step), count(step)) for step in sorted({self.first, self.last})]
        return [(self.zero, "0"), *labeled] if self.has_zero else labeled

    @property
    def minor_ticks(self) -> list[float]:
        _, right = self.limits
        exponents = range(math.floor(math.log10(self.first)), math.ceil(math.log10(self.last)) + 1)
        steps = (float(factor * 10**exponent) for exponent in exponents for factor in range(2, 10))
        return [step for step in steps if self.first <= step <= right]


def step_axis(steps: Iterable[int]) -> StepAxis:
    """The axis that shows all of `steps`, at least one."""
    shown = sorted(set(steps))
    positive = [step for step in shown if step > 0] or [1]
    return StepAxis(first=positive[0], last=max(positive[-1], positive[0] + 1), has_zero=shown[0] <= 0)


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
