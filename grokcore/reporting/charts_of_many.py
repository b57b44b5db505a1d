"""The charts of several runs: one per split, so that like is compared with like."""

from __future__ import annotations

import math

from bokeh.models import NumeralTickFormatter

from grokcore.reporting.board import ACCURACY, LOSS, Board, Chart, baseline_of
from grokcore.reporting.figures import FAINT, Measure, baseline_line, curve, mark_line, threshold_line, tooltip
from grokcore.reporting.formatting import count, percent
from grokcore.reporting.marks import marks_of, slots
from grokcore.reporting.series import Series, run_styles

_LABELLED_RUNS = 4
"""With more runs than this, marks lose their labels: the timeline names them all."""


def accuracy_by_split(board: Board) -> list[Chart]:
    charts = []
    for number, one in enumerate(board.series):
        plot = board.figure("accuracy", board.accuracy_range, height=290)
        plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
        chart = Chart(f"accuracy-{number}", one.title, f"Accuracy on {one.title} of {len(board.runs)} runs.", plot)
        for threshold in sorted({run.evaluation.threshold for run in board.runs}):
            threshold_line(plot, threshold)
        _baselines(chart, board, one)
        _curves(chart, board, number, ACCURACY)
        _marks(chart, board, one)
        charts.append(chart)
    return charts


def loss_by_split(board: Board) -> list[Chart]:
    charts = []
    for number, one in enumerate(board.series):
        plot = board.figure("loss in nats", board.loss_range, height=240, y_axis_type="log")
        chart = Chart(f"loss-{number}", one.title, f"Loss on {one.title} of {len(board.runs)} runs.", plot)
        _curves(chart, board, number, LOSS)
        charts.append(chart)
    return charts


def _curves(chart: Chart, board: Board, series_number: int, measure: Measure) -> None:
    one = board.series[series_number]
    column = f"{measure.prefix}{series_number}"
    for number, (run, style) in enumerate(zip(board.runs, run_styles(board.runs), strict=True)):
        if all(math.isnan(value) for value in board.sources[number].data[column]):
            continue
        models = curve(
            chart.figure,
            board.sources[number],
            column,
            style,
            tooltip(run.label, one.title, measure, column),
            points=len(run.journal) < 4,
        )
        chart.toggle(number, *models)


def _marks(chart: Chart, board: Board, one: Series) -> None:
    """When each run memorised, or grokked this split; onsets stand in the timeline."""
    found = [
        (number, mark)
        for number, run in enumerate(board.runs)
        for mark in marks_of(run)
        if mark.split == one.split and mark.kind != "onset" and (one.split is not None or mark.kind == "memorised")
    ]
    found.sort(key=lambda item: item[1].step)
    styles = run_styles(board.runs)
    labelled = len(board.runs) <= _LABELLED_RUNS
    for (number, mark), slot in zip(found, slots([mark for _, mark in found], board.axis), strict=True):
        text = f"{mark.kind} · {count(mark.step)}" if labelled else None
        models = mark_line(chart.figure, board.axis, mark, slot, styles[number].colour, text, lift=105)
        chart.toggle(number, *models)


def _baselines(chart: Chart, board: Board, one: Series) -> None:
    if one.role == "train":
        return
    found = [
        (number, baseline) for number, run in enumerate(board.runs) if (baseline := baseline_of(run, one)) is not None
    ]
    if len({percent(baseline) for _, baseline in found}) == 1:
        baseline_line(chart.figure, found[0][1], FAINT, f"majority baseline {percent(found[0][1])}")
        return
    styles = run_styles(board.runs)
    for number, baseline in found:
        chart.toggle(number, *baseline_line(chart.figure, baseline, styles[number].colour, None))
