"""The share of seeds that have not grokked yet, per held-out split: Kaplan-Meier curves with marks where runs ended."""

from __future__ import annotations

import math
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter, Range1d
from bokeh.models.glyphs import Scatter, VArea

from grokcore.evaluation.survival import Survival
from grokcore.reporting.comparison.charts import seeds
from grokcore.reporting.comparison.outcomes import Outcome, Outcomes
from grokcore.reporting.comparison.study import Split, Study
from grokcore.reporting.figures import Chart, Measure, curve, step_figure, tooltip
from grokcore.reporting.palette import Style

SHARE = Measure("not yet grokked", "share", "{0.0 %}")
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
        area = VArea(x="x", y1="lower", y2="upper", fill_color=style.colour, fill_alpha=0.1)
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
    glyph = Scatter(x="x", y="y", marker="dash", angle=math.pi / 2, size=14, line_color=style.colour, line_width=2)
    return chart.figure.add_glyph(source, glyph)


def _lowered(study: Study, number: int) -> float:
    """How much a curve is drawn below its place, so that those of groups that never grok do not hide each other."""
    return number * min(_APART, _MOST_APART / max(1, len(study.groups) - 1))
