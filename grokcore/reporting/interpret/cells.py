"""A cell of a heat map: its text, its color, and what is told of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from grokcore.reporting.formatting import NOTHING
from grokcore.reporting.interpret.grids import Frame, Grid
from grokcore.reporting.palette import diverging
from grokcore.reporting.table import Cell, Row, Section, Table

SHADES = 32
"""Colors to either side of the neutral value."""

_WHITE_FROM = 0.92
"""Share of the color scale from which white text is easier to read than black."""


@dataclass(frozen=True)
class Shade:
    color: str
    ink: str


def shades() -> list[Shade]:
    """Return all colors, from the lowest to the highest: a page's script and its first state share them."""
    shares = [place / SHADES for place in range(-SHADES, SHADES + 1)]
    return [Shade(diverging(share), "#fff" if share >= _WHITE_FROM else "#1b1b1b") for share in shares]


_SHADES = shades()


@dataclass(frozen=True)
class HeatCell:
    """A number as a map shows it; `open` where its interval holds the neutral value."""

    text: str
    shade: Shade | None
    open: bool
    height: float


def heat_rows(grid: Grid, split: str) -> list[tuple[str, list[HeatCell]]]:
    """Return the rows of a map at the last step, (head, cells); empty ones for a split that has no such map."""
    frame, width = grid.frame(split), len(grid.columns)
    nothing = HeatCell("", None, False, 0)
    return [
        (
            head,
            [nothing if frame is None else heat_cell(grid, frame, -1, row * width + column) for column in range(width)],
        )
        for row, head in enumerate(grid.row_heads)
    ]


def count_of(grid: Grid, split: str) -> str:
    """Return the examples of a map at the last step; nothing where its cells differ in them."""
    frame = grid.frame(split)
    counts = set() if frame is None else {int(n) for n in frame.n[-1] if not math.isnan(n)}
    return grid.counted.format(f"{counts.pop():,}") if len(counts) == 1 and counts != {0} else ""


def heat_cell(grid: Grid, frame: Frame, step: int, cell: int) -> HeatCell:
    """Return the cell of a map at one step."""
    value = float(frame.values[step, cell])
    if math.isnan(value):
        return HeatCell("", None, False, 0)
    share = min(1.0, max(-1.0, (value - grid.spec.neutral) / grid.span))
    is_open = bool(frame.lower[step, cell] <= grid.spec.neutral <= frame.upper[step, cell])
    return HeatCell(
        fixed(value, grid.digits),
        _SHADES[math.floor(share * SHADES + 0.5) + SHADES],
        is_open,
        round(100 * abs(share), 1),
    )


def fixed(value: float, digits: int) -> str:
    """Return a number with these decimals, rounded as JavaScript's toFixed does."""
    if math.isnan(value):
        return NOTHING
    text = str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
    return text.removeprefix("-") if float(text) == 0 else text


def numbers_table(caption: str, groups: Sequence[tuple[str, Sequence[Grid]]], split: str, step: int) -> list[Table]:
    """Return the numbers of maps at one step, with interval, n and what stands beside them.

    Args:
        groups: (heading, maps); maps of equal columns share a table.
    """
    tables: dict[tuple[str, ...], list[Section]] = {}
    for heading, grids in groups:
        for grid in grids:
            frame = grid.frame(split)
            if frame is not None:
                columns = tuple(map(str, grid.columns))
                title = f"{heading}: {grid.title}"
                tables.setdefault(columns, []).append(Section(title, _rows(grid, frame, step)))
    return [Table(caption, list(columns), sections) for columns, sections in tables.items()]


def _rows(grid: Grid, frame: Frame, step: int) -> list[Row]:
    width = len(grid.columns)
    return [
        Row(
            head,
            [_cell(grid, frame, step, number * width + column) for column in range(width)],
        )
        for number, head in enumerate(grid.row_heads)
    ]


def _cell(grid: Grid, frame: Frame, step: int, cell: int) -> Cell:
    value = float(frame.values[step, cell])
    if math.isnan(value):
        return Cell(NOTHING, muted=True)
    return Cell(fixed(value, max(2, grid.digits)), "\n".join(told(grid, frame, step, cell)))


def told(grid: Grid, frame: Frame, step: int, cell: int) -> list[str]:
    """Return what is told along with a number: its interval, the numbers beside it, n."""
    lower, upper = float(frame.lower[step, cell]), float(frame.upper[step, cell])
    digits = max(2, grid.digits)
    lines = [] if math.isnan(lower) else [f"{grid.interval} [{fixed(lower, digits)}, {fixed(upper, digits)}]"]
    lines += [
        f"{label} {fixed(float(values[step, cell]), digits)}"
        for label, values in zip(grid.beside, frame.beside, strict=True)
        if not math.isnan(values[step, cell])
    ]
    n = float(frame.n[step, cell])
    return [*lines, grid.counted.format(f"{n:,.0f}")] if n else lines
