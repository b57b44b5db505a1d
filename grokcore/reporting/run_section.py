"""The section of one run: its splits together in one chart, losses, what the optimizer did, times, and its manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter, PrintfTickFormatter, Range1d

from grokcore.reporting.axis import StepAxis
from grokcore.reporting.figures import (
    POINTS_OF_A_REPORT,
    Chart,
    Quantity,
    baseline_line,
    curve,
    drawn_places,
    marker_line,
    short,
    step_figure,
    threshold_line,
    tooltip,
)
from grokcore.reporting.findings import Statement
from grokcore.reporting.formatting import count, percent
from grokcore.reporting.palette import BLUE, FAINT, Style, split_styles
from grokcore.reporting.phase_markers import label_slots, phase_markers
from grokcore.reporting.run_findings import run_facts, run_findings
from grokcore.reporting.run_tables import split_table, times_table
from grokcore.reporting.study import POOLED, Split, Study, splits_of
from grokcore.reporting.table import Table
from grokcore.reporting.timeline import TimelineRow, timeline
from grokcore.runs.journal import JournalLine
from grokcore.runs.record import RunRecord

MOST_DETAILED = 4
"""A page of more runs than this has no section for each."""

ACCURACY = Quantity("accuracy", "accuracy", "{0.00 %}")
LOSS = Quantity("loss", "loss", "{%.3g}")
DYNAMICS = ("learning_rate", "gradient_norm", "weight_norm")


@dataclass(frozen=True)
class SplitButton:
    """A button that shows and hides a split of one run in all its charts."""

    number: int
    label: str
    style: Style


@dataclass(frozen=True)
class RunSection:
    """One run in all detail; `thinned` says whether fewer evaluations are drawn than there are."""

    name: str
    facts: list[tuple[str, str]]
    findings: list[Statement]
    timeline: list[TimelineRow]
    buttons: list[SplitButton]
    accuracy: Chart
    loss: Chart
    dynamics: list[Chart]
    splits: Table
    times: Table
    thinned: bool

    @property
    def charts(self) -> list[Chart]:
        return [self.accuracy, self.loss, *self.dynamics]


@dataclass(frozen=True)
class _Drawing:
    """Data, axes and styles that the charts of one run share."""

    run: RunRecord
    name: str
    prefix: str
    splits: Sequence[Split]
    styles: Sequence[Style]
    axis: StepAxis
    x_range: Any
    source: Any
    first_button: int


def run_sections(study: Study, x_range: Any, first_button: int) -> list[RunSection]:
    """Return a section per run of a study; buttons are numbered from `first_button` on."""
    sections = []
    named = [(run, name) for group in study.groups for run, name in zip(group.runs, group.names, strict=True)]
    for number, (run, name) in enumerate(named):
        sections.append(_section(study, run, name, number, len(named), x_range, first_button))
        first_button += len(sections[-1].buttons)
    return sections


def _section(
    study: Study, run: RunRecord, name: str, number: int, of: int, x_range: Any, first_button: int
) -> RunSection:
    splits = splits_of([run])
    styles = split_styles([split.role for split in splits])
    held_out = [
        [_measure(line, split).get("accuracy") for line in run.journal] for split in splits if split.is_held_out
    ]
    most = max(50, POINTS_OF_A_REPORT // (of * (2 * len(splits) + 6)))
    lines = [run.journal[place] for place in drawn_places([line["step"] for line in run.journal], held_out, most)]
    drawing = _Drawing(
        run,
        name,
        f"run-{number}",
        splits,
        styles,
        study.steps,
        x_range,
        _source(lines, splits, study.steps),
        first_button,
    )
    style_of = {split.name: style for split, style in zip(splits, styles, strict=True)}
    return RunSection(
        name=name,
        facts=run_facts(run),
        findings=run_findings(run),
        timeline=timeline(run, style_of, study.steps),
        buttons=[
            SplitButton(first_button + place, split.title, style)
            for place, (split, style) in enumerate(zip(splits, styles, strict=True))
        ],
        accuracy=_accuracy(drawing),
        loss=_loss(drawing, lines),
        dynamics=[chart for column in DYNAMICS if (chart := _dynamics(drawing, column)) is not None],
        splits=split_table(run, splits),
        times=times_table(run),
        thinned=len(lines) < len(run.journal),
    )


def _accuracy(drawing: _Drawing) -> Chart:
    run = drawing.run
    plot = step_figure(drawing.axis, drawing.x_range, Range1d(-0.03, 1.05), "accuracy", height=440)
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    described = (
        f"Accuracy of {len(drawing.splits)} splits of {drawing.name} from step {count(run.journal[0]['step'])} to "
        f"{count(run.journal[-1]['step'])}; the last values stand in the table of final accuracy."
    )
    chart = Chart(f"{drawing.prefix}-accuracy", "Accuracy", described, plot)
    threshold_line(plot, run.evaluation.threshold)
    _baselines(chart, drawing)
    _curves(chart, drawing, ACCURACY)
    _markers(chart, drawing, labeled=True)
    return chart


def _loss(drawing: _Drawing, lines: Sequence[JournalLine]) -> Chart:
    losses = [loss for line in lines for split in drawing.splits if (loss := _measure(line, split).get("loss"))]
    positive = [loss for loss in losses if loss > 0]
    limits = (min(positive) / 1.5, max(positive) * 1.5) if positive else (0.1, 10)
    plot = step_figure(drawing.axis, drawing.x_range, Range1d(*limits), "loss in nats", height=320, y_axis_type="log")
    described = f"Cross-entropy of {len(drawing.splits)} splits of {drawing.name}."
    chart = Chart(f"{drawing.prefix}-loss", "Loss", described, plot)
    _curves(chart, drawing, LOSS)
    _markers(chart, drawing, labeled=False)
    return chart


def _dynamics(drawing: _Drawing, column: str) -> Chart | None:
    """Learning rate, gradient norm or weight norm; None where the journal has none."""
    values = [value for value in drawing.source.data[column] if not math.isnan(value)]
    if not values:
        return None
    title, logarithmic = column.replace("_", " "), column == "gradient_norm"
    lowest, highest = min(values), max(values)
    margin = 0.06 * (highest - lowest) or 0.05 * abs(highest) or 1
    limits = (lowest / 1.3, highest * 1.3) if logarithmic else (lowest - margin, highest + margin)
    scale = "log" if logarithmic else "linear"
    plot = step_figure(drawing.axis, drawing.x_range, Range1d(*limits), title, height=210, y_axis_type=scale)
    if not logarithmic:
        plot.yaxis.formatter = PrintfTickFormatter(format="%.3g")
    element = f"{drawing.prefix}-{column.replace('_', '-')}"
    chart = Chart(element, title.capitalize(), f"The {title} at each evaluation.", plot)
    hover = tooltip(drawing.name, None, Quantity(title, "", "{%.4g}"), column)
    curve(plot, drawing.source, column, Style(BLUE, "solid", 1.75), hover, points=len(drawing.source.data["x"]) < 4)
    return chart


def _curves(chart: Chart, drawing: _Drawing, quantity: Quantity) -> None:
    for place, (split, style) in enumerate(zip(drawing.splits, drawing.styles, strict=True)):
        column = f"{quantity.prefix}_{place}"
        hover = tooltip(drawing.name, split.title, quantity, column)
        chart.toggle(
            drawing.first_button + place,
            *curve(chart.figure, drawing.source, column, style, hover, points=True),
        )


def _markers(chart: Chart, drawing: _Drawing, *, labeled: bool) -> None:
    """Mark the phases of a run; hiding a split hides its markers."""
    places = {split.name: place for place, split in enumerate(drawing.splits)}
    markers = phase_markers(drawing.run)
    for marker, slot in zip(markers, label_slots(markers, drawing.axis), strict=True):
        place = places.get(marker.split or POOLED, 0)
        text = f"{short(marker.split)} {marker.kind}" if marker.split else marker.kind
        label = f"{text} · {count(marker.step)}" if labeled else None
        models = marker_line(chart.figure, drawing.axis, marker, slot, drawing.styles[place].color, label, lift=195)
        chart.toggle(drawing.first_button + place, *models)


def _baselines(chart: Chart, drawing: _Drawing) -> None:
    """Draw the majority baselines of the held-out splits; one gray line where they are all the same."""
    found = [
        (place, drawing.run.evaluation.splits[split.name].majority_baseline)
        for place, split in enumerate(drawing.splits)
        if split.is_held_out
    ]
    if len({percent(baseline) for _, baseline in found}) == 1:
        baseline_line(chart.figure, found[0][1], FAINT, f"majority baseline {percent(found[0][1])}")
        return
    for order, (place, baseline) in enumerate(found):
        above = baseline == max(other for _, other in found)
        text = f"{short(drawing.splits[place].title)} baseline {percent(baseline)}"
        color = drawing.styles[place].color
        models = baseline_line(chart.figure, baseline, color, text, above=above, order=order)
        chart.toggle(drawing.first_button + place, *models)


def _source(lines: Sequence[JournalLine], splits: Sequence[Split], axis: StepAxis) -> Any:
    columns: dict[str, list[Any]] = {
        "x": [_rounded(axis.position(line["step"])) for line in lines],
        "step": [line["step"] for line in lines],
        "epoch": [_rounded(line["epoch"]) for line in lines],
    }
    for place, split in enumerate(splits):
        measures = [_measure(line, split) for line in lines]
        columns[f"accuracy_{place}"] = [_rounded(one.get("accuracy")) for one in measures]
        columns[f"loss_{place}"] = [_rounded(one.get("loss"), positive=True) for one in measures]
    for column in DYNAMICS:
        columns[column] = [_rounded(line.get(column), positive=column == "gradient_norm") for line in lines]
    return ColumnDataSource(columns)


def _measure(line: JournalLine, split: Split) -> Mapping[str, Any]:
    found: Mapping[str, Any] = line["train"] if split.name == POOLED else line["splits"].get(split.name, {})
    return found


def _rounded(number: float | None, *, positive: bool = False) -> float:
    """Round for a chart; NaN, a gap in the curve, where there is no number or a logarithm has no place."""
    return math.nan if number is None or (positive and number <= 0) else float(f"{number:.6g}")
