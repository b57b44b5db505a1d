"""Charts of times to grok: Kaplan-Meier curves by group, and dose and response along a numeric setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    NoOverlap,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    ResetTool,
)
from bokeh.models.glyphs import Line, Scatter, Segment, VArea
from bokeh.plotting import figure

from grokcore.evaluation.survival import Survival
from grokcore.reporting.accuracy_charts import seeds
from grokcore.reporting.axis import ValueAxis, step_axis, value_axis
from grokcore.reporting.figures import FRAME, Chart, Quantity, curve, dress, inert, step_figure, tooltip
from grokcore.reporting.outcomes import Outcome, Outcomes, shown
from grokcore.reporting.palette import Style, told_apart
from grokcore.reporting.study import Axis, Split, Study
from grokcore.runs.fields import fields_of, text_of
from grokcore.runs.groups import labels_of

SHARE = Quantity("not yet grokked", "share", "{0.0 %}")
_APART = 0.008
"""Between curves that would coincide, as a share of the axis."""
_MOST_APART = 0.06


def survival_charts(study: Study, outcomes: Outcomes, x_range: Any, band_button: int) -> list[Chart]:
    """A chart per held-out split, with the same buttons as the accuracy."""
    charts = []
    for place, split in enumerate(study.held_out):
        plot = step_figure(study.steps, x_range, Range1d(-0.04, 1.07), "seeds not yet there", height=300)
        plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
        described = f"Share of seeds that had not sustained {split.title} yet, by group, against steps."
        chart = Chart(f"survival-{place}", split.title, described, plot)
        for number in range(len(study.groups)):
            outcome = outcomes.get(number, split, "sustained")
            if outcome is not None:
                _draw(chart, study, number, split, outcome, band_button)
        charts.append(chart)
    return charts


def _draw(chart: Chart, study: Study, number: int, split: Split, outcome: Outcome, band_button: int) -> None:
    group, style, known = study.groups[number], study.styles[number], outcome.survival
    lower = _lowered(study, number)
    source = ColumnDataSource(stairs(study, known, lower))
    if known.steps and outcome.is_banded:
        area = VArea(x="x", y1="lower", y2="upper", fill_color=style.color, fill_alpha=0.1)
        shaded = chart.figure.add_glyph(source, area)
        shaded.level = "underlay"
        chart.toggle(number, shaded)
        chart.toggle(band_button, shaded)
    title = f"{group.label} · {seeds(len(group.runs))}"
    band = " · 95 % band @low{0 %} to @high{0 %}" if outcome.is_banded else ""
    where = f"from step @step{{0,0}}{band}"
    hover = tooltip(title, split.title, SHARE, "share", where)
    chart.toggle(number, *curve(chart.figure, source, "y", style, hover, points=False))
    ends = sorted({time.step for time in outcome.times if time.censored})
    if ends:
        chart.toggle(number, _ticks(chart, study, known, ends, style, lower))


def stairs(study: Study, known: Survival, lower: float) -> dict[str, list[Any]]:
    """The corners of the step function, from step 0 to the longest time known.

    `lower` and `upper` are drawn from the first step where somebody got there: before, the band would hide the others.
    """
    corners = [(0, 1.0, known.lowest, 1.0)]
    for row in zip(known.steps, known.share, known.lower, known.upper, strict=True):
        corners += [(row[0], *corners[-1][1:]), row]
    corners.append((known.last, *corners[-1][1:]))
    return {
        "x": [float(f"{study.steps.position(step):.6g}") for step, *_ in corners],
        "y": [round(share - lower, 5) for _, share, _, _ in corners],
        "share": [round(share, 5) for _, share, _, _ in corners],
        "step": [step for step, *_ in corners],
        "lower": [round((low if place > 1 else share) - lower, 5) for place, (_, share, low, _) in enumerate(corners)],
        "upper": [round(high - lower, 5) for _, _, _, high in corners],
        "low": [round(low, 5) for _, _, low, _ in corners],
        "high": [round(high, 5) for _, _, _, high in corners],
    }


def _ticks(chart: Chart, study: Study, known: Survival, ends: list[int], style: Style, lower: float) -> Any:
    source = ColumnDataSource(
        {
            "x": [float(f"{study.steps.position(step):.6g}") for step in ends],
            "y": [round(known.at(step) - lower, 5) for step in ends],
        }
    )
    glyph = Scatter(x="x", y="y", marker="dash", angle=math.pi / 2, size=14, line_color=style.color, line_width=2)
    return chart.figure.add_glyph(source, glyph)


def _lowered(study: Study, number: int) -> float:
    """Offset a curve downwards, so that groups that never grok do not hide each other."""
    return number * min(_APART, _MOST_APART / max(1, len(study.groups) - 1))


_BETWEEN = 0.012
"""Between strata that share a value, as a share of the axis."""


@dataclass(frozen=True)
class Stratum:
    """Groups that differ along one axis alone; `label` is empty where all of a study do."""

    label: str
    style: Style
    groups: list[tuple[float, int]]
    """Value on the axis, and the group's number, ascending."""


@dataclass(frozen=True)
class DoseResponse:
    """Charts of one axis, one per held-out split; `along` are fields that change with it, not to be told from it."""

    axis: Axis
    along: list[str]
    strata: list[Stratum]
    charts: list[Chart]


def dose_responses(study: Study, outcomes: Outcomes) -> list[DoseResponse]:
    """One for each numeric axis along which some groups agree in all else that tells them apart."""
    found = []
    for place, axis in enumerate(study.axes):
        if not axis.is_numeric:
            continue
        strata = [stratum for stratum in strata_of(study, axis) if len(stratum.groups) > 1]
        if strata:
            charts = [
                _chart(f"dose-{place}-{number}", study, outcomes, axis, strata, split)
                for number, split in enumerate(study.held_out)
            ]
            found.append(DoseResponse(axis, _along(study, strata), strata, charts))
    return found


def strata_of(study: Study, axis: Axis) -> list[Stratum]:
    """Groups that agree on all other axes, together."""
    rest: dict[str, tuple[dict[str, Any], list[tuple[float, int]]]] = {}
    for number, group in enumerate(study.groups):
        others = {name: value for name, value in group.settings.items() if name != axis.name}
        rest.setdefault(repr(others), (others, []))[1].append((group.settings[axis.name], number))
    labels = labels_of([others for others, _ in rest.values()])
    return [
        Stratum(label, told_apart(place, 2.5), sorted(groups))
        for place, (label, (_, groups)) in enumerate(zip(labels, rest.values(), strict=True))
    ]


def _along(study: Study, strata: Sequence[Stratum]) -> list[str]:
    fields = [fields_of(group.spec) for group in study.groups]
    return [
        name
        for name in study.beyond
        if any(len({text_of(fields[number], name) for _, number in stratum.groups}) > 1 for stratum in strata)
    ]


def _chart(
    element: str, study: Study, outcomes: Outcomes, axis: Axis, strata: Sequence[Stratum], split: Split
) -> Chart:
    known = [outcome for number in range(len(study.groups)) if (outcome := outcomes.get(number, split, "sustained"))]
    x = value_axis(axis.values)
    y = step_axis(time.step for outcome in known for time in outcome.times)
    low, high = y.limits
    plot = figure(
        height=300,
        sizing_mode="stretch_width",
        min_width=240,
        y_axis_type="log",
        x_range=Range1d(*x.limits),
        y_range=Range1d(low / 1.1, high * 1.15),
        tools=[PanTool(dimensions="width"), ResetTool()],
        **FRAME,
    )
    plot.xaxis.ticker = FixedTicker(ticks=[place for place, _ in x.ticks])
    plot.xaxis.major_label_overrides = dict(x.ticks)
    plot.xaxis.major_label_policy = NoOverlap(min_distance=4)
    plot.xaxis.axis_label = f"{axis.name} ({x.scale})" if x.scale else axis.name
    plot.yaxis.ticker = FixedTicker(ticks=[place for place, _ in y.ticks])
    plot.yaxis.major_label_overrides = dict(y.ticks)
    plot.yaxis.axis_label = "steps until sustained (log scale)"
    dress(plot)
    chart = Chart(element, split.title, f"Steps until {split.title} was sustained, against {axis.name}.", plot)
    shift = _BETWEEN * (x.limits[1] - x.limits[0])
    for place, stratum in enumerate(strata):
        offset = (place - (len(strata) - 1) / 2) * shift
        points = [
            (x.places[value] + offset, number, outcome)
            for value, number in stratum.groups
            if (outcome := outcomes.get(number, split, "sustained"))
        ]
        _draw_seeds(plot, points, stratum.style, shift)
        _draw_medians(plot, study, x, points, stratum.style, (low / 1.1, high * 1.15))
    return chart


def _draw_seeds(plot: Any, points: Sequence[tuple[float, int, Outcome]], style: Style, shift: float) -> None:
    """A dot per seed beside the median; an open triangle for one that ended before."""
    for censored, marker, fill in ((False, "circle", 0.45), (True, "triangle", 0.0)):
        places = [
            (x + shift * (0.6 + 0.3 * order), time.step)
            for x, _, outcome in points
            for order, time in enumerate(outcome.times)
            if time.censored == censored
        ]
        if places:
            source = ColumnDataSource({"x": [x for x, _ in places], "y": [y for _, y in places]})
            glyph = Scatter(
                x="x", y="y", marker=marker, size=7, fill_color=style.color, fill_alpha=fill,
                line_color=style.color, line_alpha=0.7,
            )  # fmt: skip
            plot.add_glyph(source, glyph)


def _draw_medians(
    plot: Any,
    study: Study,
    axis: ValueAxis,
    points: Sequence[tuple[float, int, Outcome]],
    style: Style,
    ends: tuple[float, float],
) -> None:
    """Medians joined where both are known, their 95 % intervals if any, and an arrow-head where one lies beyond."""
    source = ColumnDataSource(
        {
            "x": [x for x, _, _ in points],
            "y": [outcome.median.step for _, _, outcome in points],
            "low": [max(outcome.limits[0] or 0, ends[0]) for _, _, outcome in points],
            "high": [ends[1] if outcome.limits[1] is None else outcome.limits[1] for _, _, outcome in points],
            "marker": ["triangle" if outcome.median.censored else "circle" for _, _, outcome in points],
            "label": [inert(f"{study.groups[number].label} · {seeds(len(o.times))}") for _, number, o in points],
            "told": [inert(_told(outcome)) for _, _, outcome in points],
        }
    )
    known = [(x, outcome.median.step) for x, _, outcome in points if not outcome.median.censored]
    joined = ColumnDataSource({"x": [x for x, _ in known], "y": [y for _, y in known]})
    plot.add_glyph(joined, Line(x="x", y="y", line_color=style.color, line_dash=style.dash, line_width=style.width))
    several = ColumnDataSource(
        {
            name: [
                value
                for value, (_, _, outcome) in zip(source.data[name], points, strict=True)
                if outcome.limits != (None, None)
            ]
            for name in ("x", "low", "high")
        }
    )
    plot.add_glyph(several, Segment(x0="x", x1="x", y0="low", y1="high", line_color=style.color, line_width=1.5))
    drawn = plot.add_glyph(
        source, Scatter(x="x", y="y", marker="marker", size=11, fill_color=style.color, line_color="#ffffff")
    )
    tip = '<div style="font: 12px sans-serif; max-width: 260px"><b>@label{safe}</b><br>@told{safe}</div>'
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=tip, visible=False))


def _told(outcome: Outcome) -> str:
    return f"median {shown(outcome)}; {outcome.reached} of {len(outcome.times)} reached it"
