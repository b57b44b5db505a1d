"""What the headlines of an analysis come to: their last values, and since when they are high."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grokcore.reporting.formatting import NOTHING, count
from grokcore.reporting.interpret.cells import fixed, told
from grokcore.reporting.interpret.grids import Frame, Grid
from grokcore.reporting.table import Cell, Row, Section, Table, known

LEVELS = (0.5, 0.9)
FEWEST = 10
"""Examples below which a number is told, but neither drawn as a curve nor counted as high."""


def glance(split: str, grids: Sequence[Grid], steps: Sequence[int]) -> Table:
    """Return a table of the headlines of a split that are read on a scale from 0 to 1, one row each.

    Args:
        grids: headlines by step, a column each.
    """
    sections = []
    for grid in grids:
        frame = grid.frame(split)
        if frame is None or not grid.spec.is_share:
            continue
        rows = [
            Row(str(name), _cells(grid, frame, cell, steps))
            for cell, name in enumerate(grid.columns)
            if cell not in grid.controls and not all(math.isnan(value) for value in frame.values[:, cell])
        ]
        if rows:
            sections.append(Section(grid.title, rows))
    columns = [f"at step {count(steps[-1])}", *(f"≥ {level} since step" for level in LEVELS)]
    return Table(f"{split}, at a glance", columns, sections)


def _cells(grid: Grid, frame: Frame, cell: int, steps: Sequence[int]) -> list[Cell]:
    value = float(frame.values[-1, cell])
    notes = ([frame.notes[-1][cell]] if frame.notes else []) + told(grid, frame, -1, cell)
    is_few = 0 < frame.n[-1, cell] < FEWEST
    last = (
        Cell(NOTHING, muted=True)
        if math.isnan(value)
        else Cell(fixed(value, 2), " · ".join(filter(None, notes)), muted=is_few)
    )
    return [last, *(known(_since(frame, cell, level, steps)) for level in LEVELS)]


def _since(frame: Frame, cell: int, level: float, steps: Sequence[int]) -> str:
    """Return the first step from which on the number is never below a level, up to the last step."""
    since = None
    for place in range(len(steps) - 1, -1, -1):
        value = float(frame.values[place, cell])
        if math.isnan(value) or 0 < frame.n[place, cell] < FEWEST:
            continue
        if value < level:
            break
        since = steps[place]
    return NOTHING if since is None else count(since)
