"""Curves of accuracy in block elements, over a logarithmic axis of steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_BLOCKS = " ▁▂▃▄▅▆▇█"
_CHARACTERS = " _.:-=+*#"
_LEVELS = 8

MOST_DECADES = 4
"""An axis begins so many factors of ten before its end, at most: nothing happens in the first steps of a long run."""


@dataclass(frozen=True)
class Axis:
    """Steps from `first` to `last`, in `cells` columns of equal factors. Earlier steps fall into the first one."""

    first: float
    last: float
    cells: int

    @classmethod
    def up_to(cls, step: int, cells: int) -> Axis:
        last = float(max(step, 10))
        return cls(max(1.0, last / 10**MOST_DECADES), last, max(1, cells))

    def cell(self, step: float) -> int:
        share = math.log(max(step, self.first) / self.first) / math.log(self.last / self.first)
        return min(self.cells - 1, int(share * self.cells + 1e-9))

    def labels(self) -> str:
        """`1        10       100      1k`: powers of ten under the columns that they fall into."""
        text = ""
        for power in range(math.ceil(math.log10(self.first)), math.floor(math.log10(self.last) + 1e-9) + 1):
            label, place = short_count(10**power), self.cell(10**power)
            if (not text or place > len(text)) and place + len(label) <= self.cells:
                text = text.ljust(place) + label
        return text


def short_count(number: int) -> str:
    """`900`, `10k`, `2M`: a power of ten, or a round number."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return str(number)


Cells = list[float | None]
"""One accuracy per column; nan where the model's output was not finite, None where nothing was measured yet."""


def sample(accuracy: Sequence[float | None], steps: Sequence[int], axis: Axis) -> Cells:
    """The mean of the evaluations in each column; where a column has none, the value before it goes on."""
    found: list[list[float | None]] = [[] for _ in range(axis.cells)]
    for value, step in zip(accuracy, steps, strict=True):
        if step <= axis.last:
            found[axis.cell(step)].append(value)
    filled = [index for index, values in enumerate(found) if values]
    cells: Cells = [None] * axis.cells
    before: float | None = None
    for index in range(filled[0] if filled else 0, filled[-1] + 1 if filled else 0):
        known = [value for value in found[index] if value is not None]
        if found[index]:
            before = sum(known) / len(known) if known else math.nan
        cells[index] = before
    return cells


def draw(cells: Cells, *, height: int = 1, threshold: float = 0.99, unicode: bool = True) -> list[str]:
    """`height` lines of columns, the upper one first.

    A column is full from `threshold` on and never before, so that what is not yet reached does not look as if it were.
    """
    ramp = _BLOCKS if unicode else _CHARACTERS
    odd = "!"
    lines = []
    for floor in range(height - 1, -1, -1):
        line = ""
        for value in cells:
            if value is None:
                line += " "
            elif math.isnan(value):
                line += odd if floor == 0 else " "
            else:
                line += ramp[max(0, min(_LEVELS, _level(value, height, threshold) - floor * _LEVELS))]
        lines.append(line)
    return lines


def _level(value: float, height: int, threshold: float) -> int:
    """From 1, for nothing, to all levels, for the threshold."""
    most = height * _LEVELS
    if value >= threshold - 1e-9:
        return most
    return 1 + int(value / threshold * (most - 1))
