"""Headlines of an analysis over steps: one chart for each metric, with its control as a gray dashed line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from grokcore.reporting.interpret.catalog import SERIES
from grokcore.reporting.interpret.cells import fixed
from grokcore.reporting.interpret.curves import CurveChart, Drawing, grid_chart, series_chart
from grokcore.reporting.interpret.grids import Frame, Grid, Row, frame_of, rows_of
from grokcore.reporting.interpret.metrics import Beside, MapSpec, SeriesSpec, base_of, controls_of
from grokcore.reporting.palette import FAINT, Style, told_apart

_HEIGHT = 165
_MOST_SERIES = 14
_CONTROL = Style(FAINT, "dashed", 1.5)


def specs_of(table: pa.Table, analysis: str) -> list[SeriesSpec]:
    """Return the charts of an analysis: those that are named, or one for each metric that has headlines."""
    known = metrics_of(table, analysis, headlines=True)
    if analysis in SERIES:
        return [spec for spec in SERIES[analysis] if any(metric in known for metric in spec.metrics)]
    return [SeriesSpec(metric, (metric,)) for metric in known if base_of(metric, known) == metric]


def metrics_of(table: pa.Table, analysis: str, *, headlines: bool) -> list[str]:
    """Return the metrics of an analysis that are headlines, or those that are not, in their order."""
    is_headline = pc.and_(pc.is_null(table["layer"]), pc.equal(table["position"], ""))
    wanted = is_headline if headlines else pc.invert(is_headline)
    found: list[str] = (
        table.filter(pc.and_(pc.equal(table["analysis"], analysis), wanted))["metric"].unique().to_pylist()
    )
    return found


def headline_grids(table: pa.Table, analysis: str, steps: Sequence[int], splits: Sequence[str]) -> Iterator[Grid]:
    """Yield the series of an analysis that have a split, a column of a grid for each curve."""
    known = metrics_of(table, analysis, headlines=True)
    for number, spec in enumerate(specs_of(table, analysis)):
        controls = [] if spec.beside else [one for metric in spec.metrics for one in controls_of(metric, known)]
        drawn = [metric for metric in spec.metrics if metric in known] + controls
        wanted = {*drawn, *(one.metric for one in spec.beside)}
        rows = rows_of(table, analysis, wanted, steps=steps, splits=splits, headlines=True)
        named = tuple(Beside(one.removeprefix(f"{spec.metrics[0]}_"), one) for one in controls)
        told = replace(spec, beside=spec.beside or (named if len(spec.metrics) == 1 else ()))
        grid = _grid(told, rows, steps, drawn, controls, f"inside-{analysis}-headline-{number}", analysis)
        if grid is not None:
            yield grid


def split_charts(
    drawing: Drawing, table: pa.Table, analysis: str, splits: Sequence[str]
) -> Iterator[tuple[Grid, CurveChart]]:
    """Yield a chart, and the grid that fills it, of each series of an analysis whose split is chosen on the page."""
    for grid in headline_grids(table, analysis, drawing.steps, splits):
        cells = range(len(grid.columns))
        styles = [_CONTROL if cell in grid.controls else told_apart(cell, 2.25) for cell in cells]
        yield grid, grid_chart(drawing, grid, f"{grid.element}-chart", grid.title, cells, height=_HEIGHT, styles=styles)


def _series(spec: SeriesSpec, rows: Sequence[Row], drawn: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (metric, case, target) of every curve; a target that names a site tells no curves apart."""
    keys = [
        (row["metric"], row["case"], "" if spec.names_site else row["target"])
        for metric in drawn
        for row in rows
        if row["metric"] == metric
    ]
    return list(dict.fromkeys(keys))


def _grid(
    spec: SeriesSpec,
    rows: Sequence[Row],
    steps: Sequence[int],
    drawn: Sequence[str],
    controls: Sequence[str],
    element: str,
    analysis: str,
) -> Grid | None:
    series = _series(spec, rows, drawn)
    if not series or len(series) > _MOST_SERIES:
        return None
    at = {
        (row["split"], row["metric"], row["case"], "" if spec.names_site else row["target"], row["step"]): row
        for row in rows
    }
    frames: dict[str, Frame] = {}
    for split in dict.fromkeys(row["split"] for row in rows):
        found = [[at.get((split, *one, step)) for one in series] for step in steps]
        also = [
            [[at.get((split, other.metric, *one[1:], step)) for one in series] for step in steps]
            for other in spec.beside
        ]
        frames[split] = frame_of(found, also, note="target" if spec.names_site else "")
    named = MapSpec(analysis, spec.metrics[0], spec.title, rows="", columns="target", is_share=spec.is_share)
    columns = tuple(_label(one, spec) for one in series)
    return Grid(
        element,
        spec.title,
        named,
        ("",),
        columns,
        frames,
        tuple(one.label for one in spec.beside),
        controls=tuple(cell for cell, (metric, *_) in enumerate(series) if metric in controls),
    )


def _label(one: tuple[str, str, str], spec: SeriesSpec) -> str:
    metric, case, target = one
    name = "" if len(spec.metrics) == 1 and metric == spec.metrics[0] else metric
    return ", ".join(part for part in (name, case, target) if part) or metric


def progress_charts(drawing: Drawing, table: pa.Table, analysis: str) -> Iterator[CurveChart]:
    """Yield a chart of each series of an analysis of weights or training rows; splits are curves of their own."""
    known = metrics_of(table, analysis, headlines=True)
    for number, spec in enumerate(specs_of(table, analysis)):
        controls = [one for metric in spec.metrics for one in controls_of(metric, known) if one not in spec.metrics]
        drawn = [metric for metric in spec.metrics if metric in known] + controls
        splits = spec.splits or None
        rows = rows_of(table, analysis, drawn, steps=drawing.steps, splits=splits, headlines=True)
        by_series: dict[tuple[str, str, str, str], dict[int, Row]] = {}
        for metric in drawn:
            for row in rows:
                if row["metric"] == metric:
                    key = (metric, row["case"], row["target"], row["split"])
                    by_series.setdefault(key, {})[row["step"]] = row
        series = _distinct(spec, by_series, set(controls), drawing.steps)
        if series:
            element = f"inside-{analysis}-{number}"
            yield series_chart(drawing, element, spec.title, series, spec=spec, height=_HEIGHT)


def _distinct(
    spec: SeriesSpec,
    by_series: Mapping[tuple[str, str, str, str], Mapping[int, Row]],
    controls: set[str],
    steps: Sequence[int],
) -> list[tuple[str, Style, list[float], list[str]]]:
    splits = {split for *_, split in by_series}
    series: list[tuple[str, Style, list[float], list[str]]] = []
    colored = 0
    for (metric, case, target, split), rows in by_series.items():
        style = _CONTROL if metric in controls else told_apart(colored, 2)
        colored += metric not in controls
        label = _label((metric, case, target), spec)
        label = f"{label} · {split}" if split and len(splits) > 1 else label
        values = [_value(rows.get(step)) for step in steps]
        series.append((label, style, values, [_told(rows.get(step)) for step in steps]))
    return series[:_MOST_SERIES]


def _value(row: Row | None) -> float:
    return math.nan if row is None or row["value"] is None else float(row["value"])


def _told(row: Row | None) -> str:
    value = _value(row)
    if row is None or math.isnan(value):
        return ""
    text = f"{value:.4g}"
    if row["lower"] is not None:
        text += f" · 95 % [{fixed(row['lower'], 3)}, {fixed(row['upper'], 3)}]"
    return f"{text} · n {row['n']:,}" if row["n"] else text
