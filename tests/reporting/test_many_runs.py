"""A report of many runs stays a page that a person can open: beyond some thirty, curves become bands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bokeh.models import Line, VArea

from grokcore.reporting import build_report
from grokcore.reporting.charts import Charts, build_charts
from grokcore.reporting.entries import MOST_CURVES
from grokcore.reporting.read import read_runs

Write = Callable[..., Path]


def glyphs(charts: Charts, kind: type) -> int:
    return sum(isinstance(renderer.glyph, kind) for chart in charts.all for renderer in chart.figure.renderers)


def charts_of(run: Write, number: int, *, specs: int) -> Charts:
    places = [run(f"spec {place % specs}", seed=place // specs, steps=900) for place in range(number)]
    return build_charts(read_runs(places))


def test_up_to_thirty_runs_have_a_curve_each(run: Write) -> None:
    charts = charts_of(run, MOST_CURVES, specs=MOST_CURVES)
    assert not charts.banded
    assert glyphs(charts, VArea) == 0
    assert glyphs(charts, Line) >= MOST_CURVES * len(charts.accuracy)


@pytest.mark.parametrize(("specs", "labels"), [(4, 4), (60, 1)], ids=["few specs", "a spec each"])
def test_more_are_medians_and_bands(run: Write, specs: int, labels: int) -> None:
    charts = charts_of(run, 60, specs=specs)
    assert charts.banded
    assert len(charts.buttons) == labels
    assert glyphs(charts, VArea) == labels * len(charts.all)
    assert glyphs(charts, Line) < 3 * labels * len(charts.all)


def test_a_band_holds_the_middle_of_the_runs(run: Write) -> None:
    charts = charts_of(run, 40, specs=1)
    (area,) = [r for r in charts.accuracy[0].figure.renderers if isinstance(r.glyph, VArea)]
    data = area.data_source.data
    low, high = data[area.glyph.y1], data[area.glyph.y2]
    assert len(low) == len(high) == len(data["x"])
    assert all(below <= above for below, above in zip(low, high, strict=True))


def test_the_page_of_many_runs_is_hardly_larger_than_that_of_thirty(run: Write, tmp_path: Path) -> None:
    places = [run(f"spec {place}", steps=5_000) for place in range(2 * MOST_CURVES)]
    sizes = []
    for number in (MOST_CURVES, 2 * MOST_CURVES):
        build_report(places[:number], tmp_path / "report.html")
        sizes.append((tmp_path / "report.html").stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]
