"""Grids as data for the page's script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grokcore.reporting.interpret.cells import SHADES, shades
from grokcore.reporting.interpret.glance import FEWEST
from grokcore.reporting.interpret.grids import Frame, Grid, Values


def page_data(
    steps: Sequence[str],
    grids: Iterable[Grid],
    curves: Sequence[dict[str, Any]] = (),
    cursor: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the script moves: maps and curves by split and step.

    Args:
        steps: the text of each step, as its slider tells it.
        curves: charts whose lines are cells of grids.
        cursor: where the mark of the slider's step lies in charts, by step, and its number among the toggles.
    """
    return {
        "steps": list(steps),
        "shades": [[shade.color, shade.ink] for shade in shades()],
        "middle": SHADES,
        "grids": {grid.element: _grid(grid) for grid in grids},
        "fewest": FEWEST,
        "curves": list(curves),
        "cursor": cursor,
    }


def _grid(grid: Grid) -> dict[str, Any]:
    rows, columns = grid.row_heads, grid.column_heads
    return {
        "title": grid.title,
        "metric": grid.spec.metric,
        "cells": [" · ".join(part for part in (row, column) if part) for row in rows for column in columns],
        "neutral": grid.spec.neutral,
        "span": grid.span,
        "digits": grid.digits,
        "beside": list(grid.beside),
        "interval": grid.interval,
        "counted": grid.counted,
        "bars": grid.spec.bars,
        "frames": {split: _frame(frame) for split, frame in grid.frames.items()},
    }


def _frame(frame: Frame) -> dict[str, Any]:
    parts: dict[str, Any] = {"v": _numbers(frame.values)}
    if any(not math.isnan(value) for value in frame.lower.ravel()):
        parts |= {"l": _numbers(frame.lower), "u": _numbers(frame.upper)}
    if len(frame.beside):
        parts["b"] = [_numbers(values) for values in frame.beside]
    counts = [sorted({int(n) for n in at if not math.isnan(n)}) for at in frame.n]
    if any(at != [0] for at in counts):
        # Most cells of a map are of the same examples.
        parts["n"] = (
            [at[0] if at else None for at in counts] if all(len(at) < 2 for at in counts) else _numbers(frame.n)
        )
    if frame.notes:
        parts["t"] = frame.notes
    return parts


def _numbers(values: Values) -> list[list[float | None]]:
    return [[None if math.isnan(value) else _short(float(value)) for value in at] for at in values]


def _short(value: float) -> float:
    return int(value) if value.is_integer() else value
