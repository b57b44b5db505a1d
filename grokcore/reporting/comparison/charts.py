"""Accuracy by split: of each group the median over its seeds, and the band that its seeds lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter, Range1d
from bokeh.models.glyphs import VArea

from grokcore.evaluation.bands import Band, band_of
from grokcore.reporting.comparison.study import Split, Study, has_split
from grokcore.reporting.figures import Chart, Measure, baseline_line, curve, step_figure, threshold_line, tooltip
from grokcore.reporting.formatting import percent
from grokcore.reporting.palette import FAINT
from grokcore.reporting.series import POINTS_OF_A_REPORT, drawn_places
from grokcore.runs.groups import Group

ACCURACY = Measure("median accuracy", "median", "{0.00 %}")
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
        area = VArea(x="x", y1="lower", y2="upper", fill_color=style.colour, fill_alpha=_BAND_OPACITY)
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
