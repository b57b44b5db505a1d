"""Parts of charts: figures over steps, curves, levels and phase markers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bokeh.models import (
    BoxAnnotation,
    BoxZoomTool,
    FixedTicker,
    HoverTool,
    Label,
    NoOverlap,
    PanTool,
    PlainText,
    ResetTool,
    Span,
)
from bokeh.models.glyphs import Line, Scatter
from bokeh.plotting import figure
from markupsafe import escape

from grokcore.reporting.axis import StepAxis
from grokcore.reporting.palette import (
    FAINT,
    GRID,
    INK,
    Style,
)
from grokcore.reporting.phase_markers import LabelSlot, PhaseMarker

FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


FRAME = {
    "toolbar_location": "above",
    "active_drag": None,  # a finger that drags over a chart scrolls the page; the toolbar switches panning on
    "min_border_left": 78,  # the frames of charts above each other line up
    "outline_line_color": None,
    "background_fill_color": None,
    "border_fill_color": None,
}
"""Arguments of every figure."""


@dataclass(frozen=True)
class Quantity:
    """A measured quantity: its name, the prefix of its columns, its format in a tooltip."""

    name: str
    prefix: str
    shown: str


@dataclass
class Chart:
    """A figure and its place on the page; `toggles` maps a button's number to the models it shows and hides."""

    element: str
    title: str
    description: str
    figure: Any
    toggles: dict[int, list[Any]] = field(default_factory=dict)

    def toggle(self, button: int, *models: Any) -> None:
        self.toggles.setdefault(button, []).extend(models)


def step_figure(
    axis: StepAxis, x_range: Any, y_range: Any, y_label: str, *, height: int, y_axis_type: str = "linear"
) -> Any:
    """An empty figure over steps, as wide as its place on the page; step 0 stands on a shaded strip at the left."""
    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        min_width=240,
        x_axis_type="log",
        y_axis_type=y_axis_type,
        x_range=x_range,
        y_range=y_range,
        tools=[PanTool(dimensions="width"), BoxZoomTool(), ResetTool()],
        **FRAME,
    )
    plot.xaxis.ticker = FixedTicker(ticks=[place for place, _ in axis.ticks], minor_ticks=axis.minor_ticks)
    plot.xaxis.major_label_overrides = dict(axis.ticks)
    plot.xaxis.major_label_policy = NoOverlap(min_distance=6)
    plot.xaxis.axis_label = "step (log scale; step 0 at the left edge)" if axis.has_zero else "step (log scale)"
    plot.yaxis.axis_label = y_label
    dress(plot)
    if axis.has_zero:
        left = axis.limits[0]
        plot.add_layout(
            BoxAnnotation(
                left=left / 100, right=axis.divide, fill_color="#000000", fill_alpha=0.06, line_color=None,
                level="underlay",
            )
        )  # fmt: skip
    return plot


def dress(plot: Any) -> None:
    """The look of toolbar, axes and grid that all figures share."""
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    for part in (plot.xaxis, plot.yaxis):
        part.axis_label_text_font_style = "normal"
        part.axis_label_text_font = part.major_label_text_font = FONT
        part.axis_label_text_font_size = part.major_label_text_font_size = "12px"
        part.axis_label_text_color = part.major_label_text_color = INK
        part.axis_line_color = part.major_tick_line_color = part.minor_tick_line_color = FAINT
    plot.grid.grid_line_color = GRID


def curve(plot: Any, source: Any, column: str, style: Style, hover: str, *, points: bool) -> list[Any]:
    """A line, the evaluations on it where `points` asks for them, and its tooltip; the renderers made."""
    glyph = Line(
        x="x", y=column, line_color=style.color, line_dash=style.dash, line_width=style.width, line_alpha=style.opacity
    )
    made = [plot.add_glyph(source, glyph)]
    single = len(source.data["x"]) < 2
    if points:
        size = 9 if single else 4
        dots = Scatter(x="x", y=column, size=size, fill_color=style.color, line_color=None, marker="circle")
        made.append(plot.add_glyph(source, dots))
    if not single:
        # Bokeh answers within half a line's width: a broad line that cannot be seen spares readers the aiming.
        made.append(plot.add_glyph(source, Line(x="x", y=column, line_width=14, line_alpha=0)))
    plot.add_tools(
        HoverTool(
            renderers=made[-1:],
            tooltips=hover,
            formatters={f"@{column}": "printf"} if "%." in hover else {},
            line_policy="nearest",
            attachment="horizontal",
            visible=False,
        )
    )
    return made


_WHERE = "step @step{0,0} · epoch @epoch{0,0.[00]}"


def tooltip(run: str, split: str | None, quantity: Quantity, column: str, where: str = _WHERE) -> str:
    """A tooltip's HTML. Names come from users: they are escaped, and no placeholder of Bokeh's can hide in them."""
    lines = [f"<b>{inert(run)}</b>"]
    if split is not None:
        lines.append(inert(split))
    lines += [where, f"{quantity.name} @{column}{quantity.shown}"]
    return f'<div style="font: 12px {FONT.replace(chr(39), "")}; max-width: 260px">{"<br>".join(lines)}</div>'


def inert(text: str) -> str:
    """Text that neither HTML nor Bokeh's templates take for more than text."""
    return str(escape(text)).replace("@", "&#64;").replace("$", "&#36;").replace("{", "&#123;")


def short(text: str, most: int = 22) -> str:
    """A name that leaves room for the chart it labels."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def threshold_line(plot: Any, threshold: float) -> None:
    """A dotted level."""
    plot.add_layout(Span(location=threshold, dimension="width", line_color=FAINT, line_dash="dotted", line_width=1))


def baseline_line(
    plot: Any, baseline: float, color: str, text: str | None, *, above: bool = True, order: int = 0
) -> list[Any]:
    """A dashed level, and its label at the left edge; what was made."""
    span = Span(location=baseline, dimension="width", line_color=color, line_dash="dashed", line_width=1.25)
    plot.add_layout(span)
    if text is None:
        return [span]
    label = Label(
        x=4,
        x_units="screen",
        y=baseline,
        y_offset=2 if above else -2 - 13 * max(0, order - 1),
        text=PlainText(text=text),
        text_color=INK,
        text_font=FONT,
        text_font_size="11px",
        text_baseline="bottom" if above else "top",
    )
    plot.add_layout(label)
    return [span, label]


def marker_line(
    plot: Any, axis: StepAxis, marker: PhaseMarker, slot: LabelSlot, color: str, text: str | None, *, lift: int
) -> list[Any]:
    """A vertical line, and its label set upright beside it, the upper ones `lift` pixels higher; what was made."""
    place = axis.position(marker.step)
    dash = {"onset": "dotted", "collapsed": "dotdash"}.get(marker.kind, "dashed")
    span = Span(location=place, dimension="height", line_color=color, line_dash=dash, line_width=1.5, line_alpha=0.8)
    plot.add_layout(span)
    if text is None:
        return [span]
    label = Label(
        x=place,
        x_offset=2 if slot.side == "right" else -2,
        y=6 + lift * slot.tier,
        y_units="screen",
        text=PlainText(text=text),
        angle=math.pi / 2,
        text_align="left",
        text_baseline="top" if slot.side == "right" else "bottom",
        text_color=INK,
        text_font=FONT,
        text_font_size="11px",
        background_fill_color="#ffffff",
        background_fill_alpha=0.7,
    )
    plot.add_layout(label)
    return [span, label]


POINTS_OF_A_REPORT = 120_000
"""Numbers drawn at most, so that a file of many long runs stays small enough to mail."""


def drawn_places(steps: Sequence[int], watched: Sequence[Sequence[float | None]], most: int) -> list[int]:
    """The places of at most about `most` evaluations, spread over the logarithm of the steps.

    Of each stretch the first evaluation is kept, and those where a watched accuracy is lowest and highest: thinning
    hides no peak and no collapse. The last evaluation always stays.
    """
    if len(steps) <= most:
        return list(range(len(steps)))
    stretches = max(1, most // (1 + 2 * len(watched)))
    scale = stretches / math.log1p(max(1, steps[-1]))
    stretch: dict[int, list[int]] = {}
    for place, step in enumerate(steps):
        stretch.setdefault(min(stretches - 1, int(math.log1p(step) * scale)), []).append(place)
    kept = {len(steps) - 1}
    for places in stretch.values():
        kept.add(places[0])
        for curve in watched:
            accuracy: Callable[[int], float] = lambda place, curve=curve: curve[place] or 0.0  # type: ignore[misc]  # noqa: E731
            kept.update((min(places, key=accuracy), max(places, key=accuracy)))
    return sorted(kept)
