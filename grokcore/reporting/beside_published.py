"""Runs of comparison beside the published curves: accuracy over steps divided by the steps to memorize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    FixedTicker,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    ResetTool,
    Span,
)
from bokeh.models.glyphs import Scatter
from bokeh.plotting import figure

from grokcore.reporting.figures import (
    FRAME,
    POINTS_OF_A_REPORT,
    Chart,
    Quantity,
    curve,
    drawn_places,
    dress,
    threshold_line,
    tooltip,
)
from grokcore.reporting.formatting import count
from grokcore.reporting.palette import BLACK, DASHES, FAINT, Style
from grokcore.reporting.published import CURVES, PRESET, SOURCE, PublishedCurve
from grokcore.reporting.study import Split, Study
from grokcore.runs.fields import fields_of, value_text
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec

_ACCURACY = Quantity("accuracy", "accuracy", "{0.00 %}")
_SCALE = ("task.", "model.", "training.")
_NO_CONDITION = (
    "training.engine",
    "training.device",
    "training.max_",
    "training.checkpoint",
    "training.stop_on_grok",
    "training.zero",
    "task.seed",
    "task.probe_size",
)
"""Fields that do not belong to the conditions of an experiment."""


@dataclass(frozen=True)
class Condition:
    """A field in which runs differ from the published ones."""

    field: str
    published: str
    here: str


@dataclass(frozen=True)
class Reading:
    """What a published curve says of a split, for those who do not see the chart."""

    curve: str
    split: str
    text: str


@dataclass(frozen=True)
class BesidePublished:
    """The charts, what was published, and where the conditions differ."""

    charts: list[Chart]
    readings: list[Reading]
    conditions: list[Condition]
    memorized: str
    source: str = SOURCE


def beside_published(study: Study) -> BesidePublished | None:
    """Return runs beside the published curves of their architectures; None where there is nothing to compare."""
    groups = [
        (number, group)
        for number, group in enumerate(study.groups)
        if group.spec.task.kind == "comparison" and group.spec.model.architecture in CURVES
    ]
    known = [
        (number, name, run)
        for number, group in groups
        for name, run in zip(group.names, group.runs, strict=True)
        if _memorized(run)
    ]
    if not known:
        return None
    curves = [CURVES[name] for name in dict.fromkeys(group.spec.model.architecture for _, group in groups)]
    splits = [split for split in study.held_out if any(split.name in one.readings for one in curves)]
    most = max(40, POINTS_OF_A_REPORT // (4 * len(known) * max(1, len(splits))))
    return BesidePublished(
        charts=[_chart(study, place, split, known, curves, most) for place, split in enumerate(splits)],
        readings=[
            Reading(one.title, split.title, ", ".join(f"{value_text(y)} at {count(x)}" for x, y in readings))
            for one in curves
            for split in splits
            if (readings := one.readings.get(split.name))
        ],
        conditions=_conditions([group for _, group in groups]),
        memorized=", ".join(f"{one.title} {count(one.memorized)}{f' ({one.on})' if one.on else ''}" for one in curves),
    )


def _memorized(run: RunRecord) -> int:
    """Steps to memorize; 0 where that is not known."""
    time = run.evaluation.memorized.sustained
    return 0 if time is None else time.steps


def _chart(
    study: Study,
    place: int,
    split: Split,
    runs: Sequence[tuple[int, str, RunRecord]],
    curves: Sequence[PublishedCurve],
    most: int,
) -> Chart:
    here = [(number, name, run) for number, name, run in runs if split.name in run.evaluation.held_out]
    drawn = [(number, name, *_points(run, split, most)) for number, name, run in here]
    ends = [ratios[-1] for _, _, ratios, _ in drawn if ratios]
    ends += [step / one.memorized for one in curves for step, _ in one.readings.get(split.name, ())]
    plot = figure(
        height=320,
        sizing_mode="stretch_width",
        min_width=240,
        x_axis_type="log",
        x_range=Range1d(0.05, 1.3 * max([1.0, *ends])),
        y_range=Range1d(0, 1.03),
        tools=[PanTool(dimensions="width"), BoxZoomTool(), ResetTool()],
        **FRAME,
    )
    ticks = [0.1, 1, 10, 100, 1000]
    plot.xaxis.ticker = FixedTicker(ticks=ticks)
    plot.xaxis.major_label_overrides = {tick: value_text(tick) for tick in ticks}
    plot.xaxis.axis_label = "steps / steps to memorize (log scale)"
    plot.yaxis.axis_label = "accuracy"
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    dress(plot)
    plot.add_layout(Span(location=1, dimension="height", line_color=FAINT, line_dash="dotted", line_width=1))
    for threshold in sorted({group.spec.evaluation.threshold for group in study.groups}):
        threshold_line(plot, threshold)
    for number, name, ratios, accuracies in drawn:
        style = study.styles[number].faint if len(study.groups[number].runs) > 1 else study.styles[number]
        _draw(plot, ratios, accuracies, style, name, split, points=False)
    for order, one in enumerate(curves):
        readings = one.readings.get(split.name, ())
        style = Style(BLACK, DASHES[(order + 1) % len(DASHES)], 2)
        ratios = [step / one.memorized for step, _ in readings]
        _draw(plot, ratios, [y for _, y in readings], style, f"{one.title}, published", split, points=True)
    described = f"Accuracy on {split.title} over steps divided by the steps to memorize, beside the published curves."
    return Chart(f"published-{place}", split.title, described, plot)


def _points(run: RunRecord, split: Split, most: int) -> tuple[list[float], list[float]]:
    """Steps in multiples of those to memorize, and accuracy, of the evaluations after step 0."""
    found = [(line["step"], line["splits"].get(split.name, {}).get("accuracy")) for line in run.journal]
    known = [(step, float(accuracy)) for step, accuracy in found if step > 0 and accuracy is not None]
    accuracies = [accuracy for _, accuracy in known]
    places = drawn_places([step for step, _ in known], [accuracies], most) if known else []
    memorized = _memorized(run)
    return [float(f"{known[at][0] / memorized:.5g}") for at in places], [accuracies[at] for at in places]


def _draw(
    plot: Any,
    ratios: Sequence[float],
    accuracies: Sequence[float],
    style: Style,
    name: str,
    split: Split,
    *,
    points: bool,
) -> None:
    if not ratios:
        return
    source = ColumnDataSource({"x": list(ratios), "accuracy": list(accuracies)})
    where = "@x{0.0[0]} times the steps to memorize"
    curve(plot, source, "accuracy", style, tooltip(name, split.title, _ACCURACY, "accuracy", where), points=False)
    if points:
        marks = Scatter(x="x", y="accuracy", size=8, fill_color="#ffffff", line_color=BLACK, marker="diamond")
        plot.add_glyph(source, marks)


def _conditions(groups: Sequence[Group]) -> list[Condition]:
    """The fields of the published conditions in which a group has another value."""
    published = fields_of(load_spec(PRESET))
    here = [fields_of(group.spec) for group in groups]
    return [
        Condition(name, value_text(value), ", ".join(dict.fromkeys(value_text(fields.get(name)) for fields in here)))
        for name, value in published.items()
        if name.startswith(_SCALE)
        and not name.startswith(_NO_CONDITION)
        and name != "model.architecture"
        and any(fields.get(name) != value for fields in here)
    ]
