"""Phase diagrams: two settings as axes, the median time to grok as color, hatched where runs never got there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.core.properties import value
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LogColorMapper,
    NoOverlap,
    Range1d,
    ResetTool,
)
from bokeh.models.glyphs import Rect, Text
from bokeh.plotting import figure

from grokcore.reporting.axis import ValueAxis, step_axis, value_axis
from grokcore.reporting.figures import FONT, FRAME, Chart, dress, inert
from grokcore.reporting.formatting import count
from grokcore.reporting.interaction import HeatCell, HeatMap, share_of
from grokcore.reporting.outcomes import delay_text, median_text, shown, verdicts_text
from grokcore.reporting.palette import FAINT, INK, in_order
from grokcore.reporting.study import Axis
from grokcore.runs.fields import value_text

SHADES = 64
_LIGHT_FROM = 0.72
"""Share of the color scale from which black text is easier to read than white."""
_GAP = 0.04
"""Between cells, as a share of one."""
_UNKNOWN = "#ffffff"


@dataclass(frozen=True)
class _Places:
    """Places of an axis: those of its values, its limits, and the width of a cell."""

    of: dict[str, float]
    limits: tuple[float, float]
    width: float
    label: str


def phase_diagram(element: str, one: HeatMap) -> Chart:
    """Draw a map: cells side by side for a grid, else marks where their values lie."""
    numeric = one.columns.is_numeric and one.rows.is_numeric
    placed = _places if one.is_grid or not numeric else _scaled_places
    columns, rows = placed(one.columns), placed(one.rows)
    height = round(min(620, max(230, 120 + 58 * (rows.limits[1] - rows.limits[0]) / max(rows.width, 1e-9))))
    plot = figure(
        height=height if one.is_grid else 420,
        sizing_mode="stretch_width",
        min_width=240,
        x_range=Range1d(*columns.limits),
        y_range=Range1d(*rows.limits),
        tools=[ResetTool()],
        **FRAME,
    )
    for axis, places, values in ((plot.xaxis, columns, one.columns), (plot.yaxis, rows, one.rows)):
        axis.ticker = FixedTicker(ticks=list(places.of.values()))
        axis.major_label_overrides = {places.of[repr(value)]: value_text(value) for value in values.values}
        axis.major_label_policy = NoOverlap(min_distance=4)
        axis.axis_label = places.label
    dress(plot)
    plot.grid.visible = False
    described = f"Median steps until {one.split.title} was sustained, by {one.columns.name} and {one.rows.name}."
    chart = Chart(element, one.title, described, plot)
    _draw(plot, one, columns, rows)
    return chart


def color_of(cell: HeatCell, limits: tuple[int, int] | None) -> tuple[str, str]:
    """Return the colors of a cell and of the text on it; that of an unknown median is white."""
    median = cell.outcome.median
    if median.censored or limits is None:
        return _UNKNOWN, INK
    share = share_of(median.step, limits)
    return in_order(SHADES)[round(share * (SHADES - 1))], "#000000" if share >= _LIGHT_FROM else "#ffffff"


def reached_text(cell: HeatCell) -> str:
    """2 of 3"""
    return f"{cell.outcome.reached} of {len(cell.outcome.times)}"


def _places(axis: Axis) -> _Places:
    of = {repr(value): float(place) for place, value in enumerate(axis.values)}
    return _Places(of, (-0.5, len(of) - 0.5), 1.0, axis.name)


def _scaled_places(axis: Axis) -> _Places:
    """The places of numbers, on a logarithmic scale where they span one."""
    scaled: ValueAxis = value_axis(axis.values)
    low, high = scaled.limits
    label = f"{axis.name} ({scaled.scale})" if scaled.scale else axis.name
    return _Places({repr(value): scaled.places[value] for value in axis.values}, (low, high), (high - low) / 9, label)


def _draw(plot: Any, one: HeatMap, columns: _Places, rows: _Places) -> None:
    cells = [
        (columns.of[repr(column)], rows.of[repr(row)], cell)
        for row, of_row in zip(one.rows.values, one.cells, strict=True)
        for column, cell in zip(one.columns.values, of_row, strict=True)
        if cell is not None
    ]
    colors = [color_of(cell, one.limits) for _, _, cell in cells]
    source = ColumnDataSource(
        {
            "x": [x for x, _, _ in cells],
            "y": [y for _, y, _ in cells],
            "fill": [fill for fill, _ in colors],
            "ink": [ink for _, ink in colors],
            "hatch": [_hatch(cell) for _, _, cell in cells],
            "line": [FAINT if fill == _UNKNOWN else fill for fill, _ in colors],
            "text": [f"{median_text(cell.outcome)}\n{reached_text(cell)}" for _, _, cell in cells],
            "label": [inert(cell.group.label) for _, _, cell in cells],
            "told": [_told(cell) for _, _, cell in cells],
        }
    )
    drawn = plot.add_glyph(
        source,
        Rect(
            x="x", y="y", fill_color="fill", line_color="line", hatch_pattern="hatch", hatch_color="ink",
            hatch_alpha=0.35, hatch_weight=1, hatch_scale=9,
            width=columns.width * (1 - _GAP), height=rows.width * (1 - _GAP),
        ),
    )  # fmt: skip
    _write(plot, source, len(one.columns.values) if one.is_grid else 9)
    if one.limits is not None and one.limits[0] < one.limits[1]:
        _add_color_bar(plot, one.limits)
    style = f"font: 12px {FONT.replace(chr(39), '')}; max-width: 280px"
    tip = f'<div style="{style}"><b>@label{{safe}}</b><br>@told{{safe}}</div>'
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=tip, visible=False))


def _hatch(cell: HeatCell) -> str:
    """Hatch a cell in which runs are censored; densely where so many are that the median is not known."""
    outcome = cell.outcome
    if outcome.median.censored:
        return "right_diagonal_line"
    return "blank" if outcome.reached == len(outcome.times) else "vertical_line"


def _write(plot: Any, source: Any, columns: int) -> None:
    """The median, and below it how many runs got there, on the color of the cell so that no line crosses them."""
    size = 13 if columns <= 6 else 11 if columns <= 10 else 9
    glyph = Text(
        x="x", y="y", text="text", text_align="center", text_baseline="middle", text_color="ink", text_font=value(FONT),
        text_font_size=f"{size}px", text_line_height=1.3, background_fill_color="fill", padding=3, border_radius=3,
    )  # fmt: skip
    plot.add_glyph(source, glyph)


def _add_color_bar(plot: Any, limits: tuple[int, int]) -> None:
    low, high = max(1, limits[0]), limits[1]
    ticks = _ticks(step_axis([low, high]).ticks, low, high)
    bar = ColorBar(
        color_mapper=LogColorMapper(palette=list(in_order(SHADES)), low=low, high=high),
        ticker=FixedTicker(ticks=[place for place, _ in ticks]),
        major_label_overrides=dict(ticks),
        title="median steps",
        title_text_font=FONT,
        title_text_font_style="normal",
        title_text_font_size="12px",
        major_label_text_font=FONT,
        major_label_text_font_size="12px",
        major_label_text_color=INK,
        background_fill_color=None,
        width=12,
        padding=6,
    )
    plot.add_layout(bar, "right")


def _ticks(ticks: Sequence[tuple[float, str]], low: int, high: int) -> list[tuple[float, str]]:
    """Round steps between the ends, and the ends themselves where those would be too few."""
    inside = [(place, label) for place, label in ticks if low <= place <= high]
    return inside if len(inside) >= 3 else [(float(low), count(low)), (float(high), count(high))]


def _told(cell: HeatCell) -> str:
    """What the tooltip says below the group's name."""
    outcome = cell.outcome
    lines = [f"median {shown(outcome)} steps", f"{reached_text(cell)} runs sustained it: {verdicts_text(outcome)}"]
    if outcome.delay is not None and outcome.delay.median is not None:
        lines.append(f"T_split / T_train {delay_text(outcome)}")
    return "<br>".join(inert(line) for line in lines)
