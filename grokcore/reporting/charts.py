"""All charts of a report, and the legend that shows and hides their curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bokeh.models import PrintfTickFormatter, Range1d

from grokcore.reporting.axis import StepAxis
from grokcore.reporting.board import DYNAMICS, Board, board_of
from grokcore.reporting.charts_of_many import accuracy_by_split, draw_entries, loss_by_split
from grokcore.reporting.charts_of_one import accuracy_of_one, loss_of_one
from grokcore.reporting.figures import Chart, Measure, curve, tooltip
from grokcore.reporting.palette import BLUE, Style
from grokcore.reporting.read import RunView
from grokcore.reporting.series import entry_styles, split_styles


@dataclass(frozen=True)
class Button:
    """One entry of the legend: what it shows and hides, and how that is drawn."""

    label: str
    style: Style


@dataclass(frozen=True)
class Charts:
    axis: StepAxis
    legend: str
    """What the buttons stand for: splits or runs."""
    buttons: list[Button]
    accuracy: list[Chart]
    loss: list[Chart]
    dynamics: list[Chart]
    thinned: bool
    """Whether fewer evaluations are drawn than there are."""
    banded: bool
    """Whether runs are drawn as bands."""

    @property
    def all(self) -> list[Chart]:
        return [*self.accuracy, *self.loss, *self.dynamics]


def build_charts(runs: Sequence[RunView]) -> Charts:
    """One run: all splits in one chart. Several runs: one chart per split, with linked axes."""
    board = board_of(runs)
    alone = len(runs) == 1
    return Charts(
        axis=board.axis,
        legend="splits" if alone else "runs",
        buttons=_buttons(board),
        accuracy=[accuracy_of_one(board)] if alone else accuracy_by_split(board),
        loss=[loss_of_one(board)] if alone else loss_by_split(board),
        dynamics=_dynamics(board),
        thinned=board.thinned,
        banded=bool(board.bands),
    )


def _buttons(board: Board) -> list[Button]:
    if len(board.runs) == 1:
        return [Button(one.title, look) for one, look in zip(board.series, split_styles(board.series), strict=True)]
    return [Button(entry.label, look) for entry, look in zip(board.entries, entry_styles(board.entries), strict=True)]


def _dynamics(board: Board) -> list[Chart]:
    """Learning rate, gradient norm and weight norm: what the optimiser did meanwhile."""
    alone = len(board.runs) == 1
    charts = []
    for title, name in DYNAMICS:
        values = [
            value
            for source in (*board.sources.values(), *board.medians.values())
            for value in source.data[name]
            if not math.isnan(value)
        ]
        if not values:
            continue
        logarithmic = name == "gradient_norm"
        lowest, highest = min(values), max(values)
        margin = 0.06 * (highest - lowest) or 0.05 * abs(highest) or 1
        limits = (lowest / 1.3, highest * 1.3) if logarithmic else (lowest - margin, highest + margin)
        plot = board.figure(title, Range1d(*limits), height=210, y_axis_type="log" if logarithmic else "linear")
        if not logarithmic:
            plot.yaxis.formatter = PrintfTickFormatter(format="%.3g")
        chart = Chart(name.replace("_", "-"), title.capitalize(), f"The {title} at each evaluation.", plot)
        shown = Measure(title, "", "{%.4g}")
        if alone:
            hover = tooltip(board.runs[0].label, None, shown, name)
            points = len(board.runs[0].journal) < 4
            curve(plot, board.sources[0], name, Style(BLUE, "solid", 1.75), hover, points=points)
        else:
            draw_entries(chart, board, name, shown, None)
        charts.append(chart)
    return charts
