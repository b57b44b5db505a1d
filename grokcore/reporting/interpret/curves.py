"""Numbers of an analysis as curves over steps, on the axis of the accuracy curves, with the phases marked.

The page's script fills the curves of a grid from the grid's data, so that a split is chosen in one place; other curves
hold their numbers themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, NumeralTickFormatter, PrintfTickFormatter, Range1d, Span

from grokcore.reporting.axis import StepAxis
from grokcore.reporting.figures import Chart, Quantity, curve, drawn_places, marker_line, short, step_figure, tooltip
from grokcore.reporting.interpret.grids import Grid
from grokcore.reporting.interpret.metrics import SeriesSpec
from grokcore.reporting.palette import CYCLE, DASHES, FAINT, ORANGE, Style
from grokcore.reporting.phase_markers import PhaseMarker, label_slots
from grokcore.reporting.study import POOLED, Split
from grokcore.runs.record import RunRecord

MOST_LINES = 12
_REACHES = 0.1
"""Share of the color scale that a cell must reach once to have a curve."""


@dataclass(frozen=True)
class Line:
    """An entry of a legend; `toggle` is the number of its curve where the script fills it, else -1."""

    label: str
    style: Style
    toggle: int = -1


@dataclass(frozen=True)
class CurveChart:
    """A chart, the legend of its lines, and what the script needs to fill them."""

    chart: Chart
    lines: list[Line]
    data: dict[str, Any] | None = None


@dataclass
class Drawing:
    """What the charts of a run share; `first_toggle` numbers what the script reaches.

    Attributes:
        steps: analyzed steps that are shown.
    """

    name: str
    axis: StepAxis
    x_range: Any
    steps: Sequence[int]
    markers: Sequence[PhaseMarker]
    first_toggle: int
    _used: int = field(default=0, init=False)

    @property
    def cursor(self) -> int:
        """The number under which the script finds the marks of the slider's step."""
        return self.first_toggle

    def toggle(self) -> int:
        self._used += 1
        return self.first_toggle + self._used


def accuracy_chart(drawing: Drawing, run: RunRecord, splits: Sequence[Split], styles: Sequence[Style]) -> CurveChart:
    """Return the accuracies of the training set and of the held-out splits, small, above what happened inside."""
    shown = [(split, style) for split, style in zip(splits, styles, strict=True) if split.is_timed]
    places = drawn_places([line["step"] for line in run.journal], [], 120)
    lines = [run.journal[place] for place in places]
    columns: dict[str, list[Any]] = {
        "x": [_short(drawing.axis.position(line["step"])) for line in lines],
        "step": [line["step"] for line in lines],
    }
    plot = _figure(drawing, Range1d(-0.03, 1.05), "accuracy", height=290)
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    for number, (split, _) in enumerate(shown):
        values = [line["train"] if split.name == POOLED else line["splits"].get(split.name, {}) for line in lines]
        columns[f"c{number}"] = [_short(value.get("accuracy", math.nan)) for value in values]
    source = ColumnDataSource(columns)
    for number, (split, style) in enumerate(shown):
        hover = tooltip(drawing.name, split.title, Quantity("accuracy", "", "{0.0 %}"), f"c{number}", _WHERE)
        curve(plot, source, f"c{number}", style, hover, points=False)
    mark_phases(plot, drawing, labeled=True)
    described = f"Accuracy of the training set and the held-out splits of {drawing.name}, with its phases."
    chart = Chart("inside-accuracy", "Accuracy", described, plot)
    mark_step(chart, drawing)
    return CurveChart(chart, [Line(split.title, style) for split, style in shown])


def grid_chart(
    drawing: Drawing,
    grid: Grid,
    element: str,
    title: str,
    cells: Sequence[int],
    *,
    height: int,
    styles: Sequence[Style] = (),
) -> CurveChart:
    """Return a chart with the cells of a grid as lines.

    Args:
        styles: of the cells; by default a color per column and a dash per row.
    """
    plot = _figure(drawing, Range1d(*_limits(grid, cells)), grid.spec.metric, height=height)
    if styles:  # a chart in the stack, whose axes are the same
        plot.xaxis.axis_label = None
    columns: dict[str, Any] = _steps(drawing)
    for cell in cells:  # the script fills them
        columns |= {f"c{cell}": [math.nan] * len(drawing.steps), f"t{cell}": [""] * len(drawing.steps)}
    source = ColumnDataSource(columns)
    chart = Chart(element, title, f"{title}: {grid.spec.metric} over steps.", plot)
    lines, toggles = [], []
    for order, cell in enumerate(cells):
        row, column = divmod(cell, len(grid.columns))
        style = styles[order] if styles else Style(CYCLE[column % len(CYCLE)], DASHES[row % len(DASHES)], 1.75)
        label = " · ".join(part for part in (grid.row_heads[row], grid.column_heads[column]) if part)
        hover = tooltip(label, None, Quantity(grid.spec.metric, "", ""), f"t{cell}", "step @step{0,0}")
        toggle = drawing.toggle()
        chart.toggle(toggle, *curve(plot, source, f"c{cell}", style, hover, points=len(drawing.steps) < 40))
        lines.append(Line(label, style, toggle))
        toggles.append({"cell": cell, "toggle": toggle})
    mark_phases(plot, drawing, labeled=False)
    mark_step(chart, drawing)
    return CurveChart(chart, lines, {"grid": grid.element, "lines": toggles})


def series_chart(
    drawing: Drawing,
    element: str,
    title: str,
    series: Sequence[tuple[str, Style, Sequence[float], Sequence[str]]],
    *,
    spec: SeriesSpec,
    height: int,
) -> CurveChart:
    """Return a chart of (label, style, value at each step, what is told of it), that no split is chosen for."""
    values = np.array([values for _, _, values, _ in series], dtype=float)
    is_log = spec.is_log
    known = values[np.isfinite(values) & ((values > 0) | (not is_log))]
    known = np.concatenate([known, [0.0, 1.0]]) if spec.is_share else known
    limits = _padded(float(known.min()), float(known.max()), is_log) if known.size else (0.1, 1.0)
    plot = _figure(
        drawing,
        Range1d(*limits),
        spec.metrics[0] if len(spec.metrics) == 1 else "",
        height=height,
        scale="log" if is_log else "linear",
    )
    plot.xaxis.axis_label = None
    if not is_log:
        plot.yaxis.formatter = PrintfTickFormatter(format="%.3g")
    columns = _steps(drawing)
    for number, (_, _, _, told) in enumerate(series):
        columns[f"c{number}"] = [_short(value) if value > 0 or not is_log else math.nan for value in values[number]]
        columns[f"t{number}"] = list(told)
    source = ColumnDataSource(columns)
    chart = Chart(element, title, f"{title} of {drawing.name} at every analyzed step.", plot)
    for number, (label, style, _, _) in enumerate(series):
        hover = tooltip(label, None, Quantity("", "", ""), f"t{number}", "step @step{0,0}")
        curve(plot, source, f"c{number}", style, hover, points=len(drawing.steps) < 40)
    mark_phases(plot, drawing, labeled=False)
    mark_step(chart, drawing)
    return CurveChart(chart, [Line(label, style) for label, style, _, _ in series])


def cells_with_curves(grid: Grid, *, inner_layers: bool) -> list[int]:
    """Return the cells that reach a tenth of the scale at some step of some split, the largest `MOST_LINES` of them.

    Args:
        inner_layers: leave out the first and the last layer, where there are others: to replace an input is to ask the
            other question, and to replace an output is to answer it.
    """
    peaks = np.nanmax(
        np.stack([_peaks(frame.values, grid.spec.neutral) for frame in grid.frames.values()]), axis=0, initial=0
    )
    rows = range(len(grid.rows))
    if inner_layers and len(grid.rows) > 2:
        rows = range(1, len(grid.rows) - 1)
    width = len(grid.columns)
    cells = [
        cell for row in rows for cell in range(row * width, (row + 1) * width) if peaks[cell] >= _REACHES * grid.span
    ]
    return sorted(sorted(cells, key=lambda cell: -peaks[cell])[:MOST_LINES])


def _peaks(values: Any, neutral: float) -> Any:
    return np.where(np.isnan(values), 0, np.abs(values - neutral)).max(axis=0)


def mark_step(chart: Chart, drawing: Drawing) -> None:
    """Draw the step that the slider stands at; the script moves it."""
    cursor = Span(
        location=drawing.axis.position(drawing.steps[-1]), dimension="height", line_color=ORANGE, line_width=2.5
    )
    chart.figure.add_layout(cursor)
    chart.toggle(drawing.cursor, cursor)


def mark_phases(plot: Any, drawing: Drawing, *, labeled: bool) -> None:
    for marker, slot in zip(drawing.markers, label_slots(drawing.markers, drawing.axis), strict=True):
        text = f"{short(marker.split)} {marker.kind}" if marker.split else marker.kind
        marker_line(plot, drawing.axis, marker, slot, FAINT, text if labeled else None, lift=100)


def _steps(drawing: Drawing) -> dict[str, Any]:
    return {
        "x": [_short(drawing.axis.position(step)) for step in drawing.steps],
        "step": list(drawing.steps),
    }


_WHERE = "step @step{0,0}"


def _figure(drawing: Drawing, y_range: Any, label: str, *, height: int, scale: str = "linear") -> Any:
    return step_figure(drawing.axis, drawing.x_range, y_range, label, height=height, y_axis_type=scale)


def _limits(grid: Grid, cells: Sequence[int]) -> tuple[float, float]:
    parts = [frame.values[:, list(cells)].ravel() for frame in grid.frames.values()]
    known = np.concatenate([part[~np.isnan(part)] for part in parts] or [np.zeros(0)])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if grid.spec.is_share:
        low, high = min(low, 0.0), max(high, 1.0)
    return _padded(low, high, is_log=False)


def _padded(low: float, high: float, is_log: bool) -> tuple[float, float]:
    if is_log:
        return low / 1.4, high * 1.4
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _short(value: float) -> float:
    return float(f"{value:.5g}")
