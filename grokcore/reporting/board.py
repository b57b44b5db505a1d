"""What the charts of one report share: runs, curves, axes and sources of data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import ColumnDataSource, Range1d

from grokcore.reporting.axis import StepAxis, step_axis
from grokcore.reporting.entries import MOST_CURVES, Entry, drawn_entries, median_run
from grokcore.reporting.figures import Measure, step_figure
from grokcore.reporting.read import Line, RunView
from grokcore.reporting.series import POINTS_OF_A_REPORT, Series, drawn_lines, series_of

ACCURACY = Measure("accuracy", "a", "{0.00 %}")
LOSS = Measure("loss", "l", "{%.3g}")
BAND = {"low": 0.1, "high": 0.9}
"""The quantiles between which a band lies."""
DYNAMICS = (("learning rate", "learning_rate"), ("gradient norm", "gradient_norm"), ("weight norm", "weight_norm"))


@dataclass(frozen=True)
class Board:
    """What the figures of one report share; shared ranges link their axes."""

    runs: Sequence[RunView]
    entries: list[Entry]
    series: list[Series]
    axis: StepAxis
    sources: dict[int, Any]
    """Those of single runs that are drawn, by their places."""
    medians: dict[int, Any]
    """The source of the median of each entry that stands for several runs, by the entry's number."""
    bands: dict[int, Any]
    """Likewise, where their runs are too many to be drawn: the source of the band, `COLUMN_low` and `COLUMN_high`."""
    x_range: Any
    accuracy_range: Any
    loss_range: Any
    thinned: bool
    """Whether fewer evaluations are drawn than there are."""

    def figure(self, y_label: str, y_range: Any, *, height: int, y_axis_type: str = "linear") -> Any:
        return step_figure(self.axis, self.x_range, y_range, y_label, height=height, y_axis_type=y_axis_type)


def board_of(runs: Sequence[RunView]) -> Board:
    series, entries = series_of(runs), drawn_entries(runs)
    many = len(runs) > MOST_CURVES
    several = {number: entry for number, entry in enumerate(entries) if entry.several}
    members = {number: [runs[place] for place in entry.runs] for number, entry in several.items()}
    medians = {number: median_run(members[number], entry.label) for number, entry in several.items()}
    places = [place for entry in entries if not (many and entry.several) for place in entry.runs]
    shown = [*(runs[place] for place in places), *medians.values()]
    most = max(50, POINTS_OF_A_REPORT // (len(shown) * (2 * len(series) + 6) * (3 if many else 1)))
    drawn = [drawn_lines(run, series, most) for run in shown]
    axis = step_axis(line.step for run in runs for line in run.journal)
    sources = [_source(lines, series, axis) for lines in drawn]
    lines_of_medians = dict(zip(medians, drawn[len(places) :], strict=True))
    bands = {number: _band(members[number], lines, series, axis) for number, lines in lines_of_medians.items() if many}
    return Board(
        runs=runs,
        entries=entries,
        series=series,
        axis=axis,
        sources=dict(zip(places, sources[: len(places)], strict=True)),
        medians=dict(zip(medians, sources[len(places) :], strict=True)),
        bands=bands,
        x_range=Range1d(*axis.limits),
        accuracy_range=Range1d(-0.03, 1.05),
        loss_range=Range1d(*_loss_limits(drawn, series)),
        thinned=any(len(lines) < len(run.journal) for lines, run in zip(drawn, shown, strict=True)),
    )


def baseline_of(run: RunView, one: Series) -> float | None:
    """The majority baseline of a series' split."""
    result = run.evaluation.splits.get(one.split or "")
    return result.majority_baseline if result else None


def _band(runs: Sequence[RunView], lines: Sequence[Line], series: Sequence[Series], axis: StepAxis) -> Any:
    """The columns of a source, each twice, from low to high, at the steps of `lines`."""
    steps = {line.step for line in lines}
    columns: dict[str, list[Any]] = {}
    for end, share in BAND.items():
        journal = [line for line in median_run(runs, "", share).journal if line.step in steps]
        data = _source(journal, series, axis).data
        columns |= {name if name in ("x", "step", "epoch") else f"{name}_{end}": data[name] for name in data}
    return ColumnDataSource(columns)


def _source(lines: Sequence[Line], series: Sequence[Series], axis: StepAxis) -> Any:
    columns: dict[str, list[Any]] = {
        "x": [_rounded(axis.position(line.step)) for line in lines],
        "step": [line.step for line in lines],
        "epoch": [_rounded(line.epoch) for line in lines],
    }
    for number, one in enumerate(series):
        measures = [one.measure(line) for line in lines]
        columns[f"a{number}"] = [_rounded(measure.accuracy) for measure in measures]
        columns[f"l{number}"] = [_rounded(measure.loss, positive=True) for measure in measures]
    for _, name in DYNAMICS:
        columns[name] = [_rounded(getattr(line, name), positive=name == "gradient_norm") for line in lines]
    return ColumnDataSource(columns)


def _rounded(number: float | None, *, positive: bool = False) -> float:
    """NaN, a gap in the curve, where there is no number or a logarithm has no place for it."""
    return math.nan if number is None or (positive and number <= 0) else float(f"{number:.6g}")


def _loss_limits(drawn: Sequence[Sequence[Line]], series: Sequence[Series]) -> tuple[float, float]:
    losses = [
        loss for lines in drawn for line in lines for one in series if (loss := one.measure(line).loss) and loss > 0
    ]
    return (min(losses) / 1.5, max(losses) * 1.5) if losses else (0.1, 10)
