"""The charts of one run: all its splits together."""

from __future__ import annotations

from collections.abc import Sequence

from bokeh.models import NumeralTickFormatter

from grokcore.reporting.board import ACCURACY, LOSS, Board, baseline_of
from grokcore.reporting.figures import Chart, Measure, baseline_line, curve, mark_line, short, threshold_line, tooltip
from grokcore.reporting.formatting import count, percent
from grokcore.reporting.marks import marks_of, slots
from grokcore.reporting.palette import FAINT
from grokcore.reporting.read import RunView
from grokcore.reporting.series import Series, split_styles


def accuracy_of_one(board: Board) -> Chart:
    (run,) = board.runs
    plot = board.figure("accuracy", board.accuracy_range, height=470)
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    chart = Chart(
        "accuracy",
        "Accuracy",
        f"Accuracy of {len(board.series)} splits of {run.label} from step {count(run.journal[0].step)} to "
        f"{count(run.journal[-1].step)}; the last values stand in the table of final accuracy.",
        plot,
    )
    threshold_line(plot, run.evaluation.threshold)
    _baselines(chart, run, board.series)
    _curves(chart, board, ACCURACY)
    _marks(chart, board, labelled=True)
    return chart


def loss_of_one(board: Board) -> Chart:
    plot = board.figure("loss in nats", board.loss_range, height=330, y_axis_type="log")
    chart = Chart("loss", "Loss", f"Cross-entropy of {len(board.series)} splits of {board.runs[0].label}.", plot)
    _curves(chart, board, LOSS)
    _marks(chart, board, labelled=False)
    return chart


def _curves(chart: Chart, board: Board, measure: Measure) -> None:
    (run,) = board.runs
    for number, (one, style) in enumerate(zip(board.series, split_styles(board.series), strict=True)):
        column = f"{measure.prefix}{number}"
        models = curve(
            chart.figure, board.sources[0], column, style, tooltip(run.label, one.title, measure, column), points=True
        )
        chart.toggle(number, *models)


def _marks(chart: Chart, board: Board, *, labelled: bool) -> None:
    """Moments of one run; hiding a split hides its marks."""
    (run,) = board.runs
    number_of = {one.split: number for number, one in enumerate(board.series)}
    styles = split_styles(board.series)
    marks = marks_of(run)
    for mark, slot in zip(marks, slots(marks, board.axis), strict=True):
        number = number_of.get(mark.split, 0)
        text = f"{short(mark.split)} {mark.kind}" if mark.split else mark.kind
        label = f"{text} · {count(mark.step)}" if labelled else None
        models = mark_line(chart.figure, board.axis, mark, slot, styles[number].colour, label, lift=195)
        chart.toggle(number, *models)


def _baselines(chart: Chart, run: RunView, series: Sequence[Series]) -> None:
    """A dashed line per majority baseline of a held-out split; one grey line where they are all the same."""
    styles = split_styles(series)
    found = [
        (number, baseline)
        for number, one in enumerate(series)
        if one.role == "held_out" and (baseline := baseline_of(run, one)) is not None
    ]
    if len({percent(baseline) for _, baseline in found}) == 1:
        baseline_line(chart.figure, found[0][1], FAINT, f"majority baseline {percent(found[0][1])}")
        return
    for order, (number, baseline) in enumerate(found):
        above = baseline == max(other for _, other in found)
        text = f"{short(series[number].title)} baseline {percent(baseline)}"
        models = baseline_line(chart.figure, baseline, styles[number].colour, text, above=above, order=order)
        chart.toggle(number, *models)
