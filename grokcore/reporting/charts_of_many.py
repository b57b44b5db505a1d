"""The charts of several runs: one per split, so that like is compared with like."""

from __future__ import annotations

import math

from bokeh.models import NumeralTickFormatter, VArea

from grokcore.reporting.board import ACCURACY, LOSS, Board, baseline_of
from grokcore.reporting.entries import samples
from grokcore.reporting.figures import Chart, Measure, baseline_line, curve, mark_line, threshold_line, tooltip
from grokcore.reporting.formatting import count, percent
from grokcore.reporting.marks import Mark, marks_of, slots
from grokcore.reporting.palette import FAINT
from grokcore.reporting.series import Series, entry_styles

_LABELLED = 4
"""With more marks than this in a chart, they lose their labels: the timeline names them all."""


def accuracy_by_split(board: Board) -> list[Chart]:
    charts = []
    for number, one in enumerate(board.series):
        plot = board.figure("accuracy", board.accuracy_range, height=290)
        plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
        chart = Chart(f"accuracy-{number}", one.title, f"Accuracy on {one.title} of {len(board.runs)} runs.", plot)
        for threshold in sorted({run.evaluation.threshold for run in board.runs}):
            threshold_line(plot, threshold)
        _baselines(chart, board, one)
        draw_entries(chart, board, f"{ACCURACY.prefix}{number}", ACCURACY, one.title)
        _marks(chart, board, one)
        charts.append(chart)
    return charts


def loss_by_split(board: Board) -> list[Chart]:
    charts = []
    for number, one in enumerate(board.series):
        plot = board.figure("loss in nats", board.loss_range, height=240, y_axis_type="log")
        chart = Chart(f"loss-{number}", one.title, f"Loss on {one.title} of {len(board.runs)} runs.", plot)
        draw_entries(chart, board, f"{LOSS.prefix}{number}", LOSS, one.title)
        charts.append(chart)
    return charts


def draw_entries(chart: Chart, board: Board, column: str, measure: Measure, title: str | None) -> None:
    """A curve per run; seeds of one spec are faint, or a band where they are many, and their median lies above them."""
    styles = entry_styles(board.entries)
    for number, (entry, style) in enumerate(zip(board.entries, styles, strict=True)):
        if (band := board.bands.get(number)) is not None:
            area = VArea(x="x", y1=f"{column}_low", y2=f"{column}_high", fill_color=style.colour, fill_alpha=0.2)
            chart.toggle(number, chart.figure.add_glyph(band, area))
        drawn = [(board.runs[place].label, board.sources[place]) for place in entry.runs if place in board.sources]
        looks = [style.faint] * len(drawn) if entry.several else [style]
        if entry.several:
            drawn.append((f"{entry.label}, median", board.medians[number]))
            looks.append(style)
        for (label, source), look in zip(drawn, looks, strict=True):
            if all(math.isnan(value) for value in source.data[column]):
                continue
            hover = tooltip(label, title, measure, column)
            points = len(source.data["x"]) < 4
            chart.toggle(number, *curve(chart.figure, source, column, look, hover, points=points))


def _marks(chart: Chart, board: Board, one: Series) -> None:
    """When each run memorised, or grokked this split, or half the seeds did; onsets stand in the timeline."""
    found = sorted(
        ((number, mark) for number in range(len(board.entries)) for mark in _marks_of_entry(board, number, one)),
        key=lambda item: item[1].step,
    )
    styles = entry_styles(board.entries)
    places = slots([mark for _, mark in found], board.axis)
    for (number, mark), slot in zip(found, places, strict=True):
        text = f"{mark.kind} · {count(mark.step)}" if len(board.entries) <= _LABELLED else None
        models = mark_line(chart.figure, board.axis, mark, slot, styles[number].colour, text, lift=105)
        chart.toggle(number, *models)


def _marks_of_entry(board: Board, number: int, one: Series) -> list[Mark]:
    runs = [board.runs[place] for place in board.entries[number].runs]
    if len(runs) > 1:
        sample = samples(runs).get(one.split)
        if sample is None or sample.median.censored:
            return []
        return [Mark("median", sample.median.step, None, one.split)]
    return [
        mark
        for mark in marks_of(runs[0])
        if mark.split == one.split and mark.kind != "onset" and (one.split is not None or mark.kind == "memorised")
    ]


def _baselines(chart: Chart, board: Board, one: Series) -> None:
    if one.role == "train":
        return
    found = [
        (number, baseline)
        for number, entry in enumerate(board.entries)
        if (baseline := baseline_of(board.runs[entry.runs[0]], one)) is not None
    ]
    if len({percent(baseline) for _, baseline in found}) == 1:
        baseline_line(chart.figure, found[0][1], FAINT, f"majority baseline {percent(found[0][1])}")
        return
    styles = entry_styles(board.entries)
    for number, baseline in found:
        chart.toggle(number, *baseline_line(chart.figure, baseline, styles[number].colour, None))
