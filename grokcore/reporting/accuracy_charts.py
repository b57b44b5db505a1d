"""Accuracy by split: median and band over the seeds of each group, in one chart or in a small SVG per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter, Range1d
from bokeh.models.glyphs import VArea

from grokcore.evaluation.samples import Band, band_of
from grokcore.reporting.figures import (
    POINTS_OF_A_REPORT,
    Chart,
    Quantity,
    baseline_line,
    curve,
    drawn_places,
    step_figure,
    threshold_line,
    tooltip,
)
from grokcore.reporting.formatting import percent
from grokcore.reporting.palette import BLACK, BLUE, DASH_LENGTHS, FAINT, GREEN, PURPLE, VERMILLION
from grokcore.reporting.study import Split, Study, has_split
from grokcore.runs.groups import Group

ACCURACY = Quantity("median accuracy", "median", "{0.00 %}")
_BAND_OPACITY = 0.16
_HEIGHT = 320


@dataclass(frozen=True)
class Bands:
    """Median and band of each group and split, by the group's number; `thinned` if evaluations were left out."""

    of: dict[tuple[int, str], Band]
    thinned: bool


def bands_of(study: Study) -> Bands:
    """The bands of all splits that a group has, of no more evaluations than a page can hold."""
    found = {
        (number, split.name): band_of(group.runs, split.name)
        for number, group in enumerate(study.groups)
        for split in study.splits
        if has_split(group, split)
    }
    most = max(40, POINTS_OF_A_REPORT // (5 * len(found)))
    thin = {key: _thinned(band, most) for key, band in found.items()}
    return Bands(thin, any(len(thin[key].steps) < len(band.steps) for key, band in found.items()))


def _thinned(band: Band, most: int) -> Band:
    places = drawn_places(band.steps, [band.median], most)
    names = ("steps", "median", "lower", "upper", "runs")
    return replace(band, **{name: tuple(getattr(band, name)[place] for place in places) for name in names})


def accuracy_charts(study: Study, bands: Bands, x_range: Any, band_button: int) -> list[Chart]:
    """A chart per split. The button of a group's number shows and hides the group, `band_button` all bands."""
    y_range = Range1d(-0.03, 1.05)
    charts = []
    for place, split in enumerate(study.splits):
        plot = step_figure(study.steps, x_range, y_range, "accuracy", height=_HEIGHT)
        plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
        chart = Chart(f"accuracy-{place}", split.title, f"Median accuracy on {split.title}, by group.", plot)
        for threshold in sorted({group.spec.evaluation.threshold for group in study.groups}):
            threshold_line(plot, threshold)
        _baseline(chart, study, split)
        for number, group in enumerate(study.groups):
            band = bands.of.get((number, split.name))
            if band is not None and band.steps:
                _draw(chart, study, number, group, band, band_button)
        charts.append(chart)
    return charts


def _draw(chart: Chart, study: Study, number: int, group: Group, band: Band, band_button: int) -> None:
    source = _source(study, band)
    style = study.styles[number]
    if len(group.runs) > 1:
        area = VArea(x="x", y1="lower", y2="upper", fill_color=style.color, fill_alpha=_BAND_OPACITY)
        shaded = chart.figure.add_glyph(source, area)
        shaded.level = "underlay"
        chart.toggle(number, shaded)
        chart.toggle(band_button, shaded)
    title = f"{group.label} · {seeds(len(group.runs))}"
    where = "step @step{0,0}" + (" · most seeds @lower{0.0 %} to @upper{0.0 %}" if len(group.runs) > 1 else "")
    hover = tooltip(title, chart.title, ACCURACY, "median", where)
    chart.toggle(number, *curve(chart.figure, source, "median", style, hover, points=len(band.steps) < 4))


def _source(study: Study, band: Band) -> Any:
    return ColumnDataSource(
        {
            "x": [_rounded(study.steps.position(step)) for step in band.steps],
            "step": list(band.steps),
            **{name: [_rounded(value) for value in getattr(band, name)] for name in ("median", "lower", "upper")},
        }
    )


def _rounded(number: float) -> float:
    return float(f"{number:.5g}")


def _baseline(chart: Chart, study: Study, split: Split) -> None:
    """One level where all groups have the same majority baseline; else none, since the tables have them."""
    if split.role == "train":
        return
    found = baselines(study.groups, split)
    if len({percent(baseline) for baseline in found}) == 1:
        baseline_line(chart.figure, found[0], FAINT, f"majority baseline {percent(found[0])}")


def baselines(groups: Sequence[Group], split: Split) -> list[float]:
    """The majority baseline of a split in each group that has it."""
    results = [group.runs[0].evaluation.splits.get(split.name) for group in groups]
    return [result.majority_baseline for result in results if result is not None]


def seeds(number: int) -> str:
    return "1 seed" if number == 1 else f"{number} seeds"


WIDTH, HEIGHT = 240, 120
"""Of the drawing area, in units of the SVG."""
_STYLES = ((BLUE, "solid"), (VERMILLION, "solid"), (GREEN, "dashed"), (PURPLE, "dotdash"))


@dataclass(frozen=True)
class Line:
    """A curve of a small chart: points of its median, and of the outline of its band."""

    title: str
    color: str
    dash: str
    median: str
    band: str


@dataclass(frozen=True)
class SmallChart:
    title: str
    note: str
    lines: list[Line]


@dataclass(frozen=True)
class Key:
    title: str
    color: str
    dash: str


def _split_styles(study: Study) -> dict[str, tuple[str, str]]:
    """Color and dash of each split that the small charts show: the training set and what is held out."""
    held_out = {split.name: _STYLES[place % len(_STYLES)] for place, split in enumerate(study.held_out)}
    return {study.splits[0].name: (BLACK, "dotted"), **held_out}


def small_keys(study: Study) -> list[Key]:
    found = _split_styles(study)
    return [Key(split.title, *_svg(found[split.name])) for split in study.splits if split.name in found]


def small_charts(study: Study, bands: Bands, notes: Sequence[str]) -> list[SmallChart]:
    """The groups in their order; `notes` says of each what became of it."""
    return [
        SmallChart(
            group.label,
            note,
            [
                Line(split.title, *_svg(look), *_points(study, bands.of[number, split.name]))
                for split in study.splits
                if (look := _split_styles(study).get(split.name)) and (number, split.name) in bands.of
            ],
        )
        for number, (group, note) in enumerate(zip(study.groups, notes, strict=True))
    ]


def small_ticks(study: Study) -> list[tuple[float, str]]:
    """Places of the labeled steps, in units of the SVG; few, for there is little room."""
    placed = [(round(WIDTH * study.steps.share(step), 1), label) for step, label in study.steps.ticks]
    every = max(1, -(-len(placed) // 4))
    return placed[::every]


def height_of(accuracy: float) -> float:
    return round(HEIGHT * (1.02 - accuracy) / 1.04, 1)


def _svg(look: tuple[str, str]) -> tuple[str, str]:
    color, dash = look
    return color, DASH_LENGTHS[dash]


def _points(study: Study, band: Band) -> tuple[str, str]:
    """Of the median, and of the outline of the band: there along its upper limit, and back along its lower one."""
    across = [round(WIDTH * study.steps.share(study.steps.position(step)), 1) for step in band.steps]
    median, upper, lower = (
        [f"{x:g},{height_of(value):g}" for x, value in zip(across, values, strict=True)]
        for values in (band.median, band.upper, band.lower)
    )
    return " ".join(median), " ".join(upper + lower[::-1])
