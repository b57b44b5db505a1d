"""What an analysis found inside one run: when, as curves; where, as maps that one slider moves over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from grokcore.interpret.result import Analysis
from grokcore.reporting.figures import Chart, drawn_places
from grokcore.reporting.formatting import count, percent
from grokcore.reporting.interpret.cells import numbers_table
from grokcore.reporting.interpret.curves import (
    CurveChart,
    Drawing,
    accuracy_chart,
    cells_with_curves,
    grid_chart,
)
from grokcore.reporting.interpret.data import page_data
from grokcore.reporting.interpret.families import analyses_of, chosen_splits, first_split, maps_of
from grokcore.reporting.interpret.glance import glance
from grokcore.reporting.interpret.grids import Grid, forms_of, grids_of, rows_of
from grokcore.reporting.interpret.headlines import progress_charts, split_charts
from grokcore.reporting.interpret.metrics import is_progress
from grokcore.reporting.palette import split_styles
from grokcore.reporting.phase_markers import phase_markers
from grokcore.reporting.study import Study, splits_of
from grokcore.reporting.table import Table
from grokcore.runs.analysis import AnalysisDocument
from grokcore.runs.record import RunRecord

MOST_NUMBERS = 60_000
"""Cells of all maps at all steps and splits that a page holds; beyond, steps are left out."""
MOST_CELLS = 900
"""Cells of a map; a larger one is left to the table."""
_FEWEST_STEPS = 8
_FIRST = ("lens", "tracing")
"""Analyses whose headlines stand right under the accuracies."""


@dataclass(frozen=True)
class MapGroup:
    """The maps of a metric."""

    title: str
    explanation: str
    grids: list[Grid]


@dataclass(frozen=True)
class FamilySection:
    """The maps of an analysis, and their cells as curves."""

    title: str
    explanation: str
    groups: list[MapGroup]
    curves: list[CurveChart]


@dataclass(frozen=True)
class Inside:
    """All that is shown of an analysis; figures of steps show the last until the slider is moved.

    Attributes:
        facts: what was analyzed, as (name, value).
        splits: those to choose among, and the one that is chosen at first.
        phases: (text, number of the step) to jump to.
        glances: the headlines of each split.
        when, more: headlines as curves: the most important ones, and all others.
    """

    facts: list[tuple[str, str]]
    splits: list[str]
    split: str
    steps: list[str]
    phases: list[tuple[str, int]]
    glances: list[tuple[str, Table]]
    when: list[CurveChart]
    more: list[CurveChart]
    families: list[FamilySection]
    progress: list[CurveChart]
    numbers: list[Table]
    left_out: list[str]
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def charts(self) -> list[Chart]:
        curves = [
            *self.when,
            *self.more,
            *(curve for family in self.families for curve in family.curves),
            *self.progress,
        ]
        return [curve.chart for curve in curves]


def inside_of(study: Study, run: RunRecord, analysis: Analysis, name: str, x_range: Any, first_toggle: int) -> Inside:
    """Return the section of a run that was analyzed.

    Args:
        x_range: of the accuracy curves, so that all charts of steps move together.
        first_toggle: the number after those of the page's buttons.
    """
    document, table = analysis.document, analysis.table
    splits = chosen_splits(document, run)
    shown = [one for one in document.steps if one in _shown_steps(table, document, splits)]
    split = first_split(splits, study)
    drawing = Drawing(name, study.steps, x_range, shown, phase_markers(run), first_toggle)
    styles = split_styles([one.role for one in splits_of([run])])
    when = [accuracy_chart(drawing, run, splits_of([run]), styles)]
    more: list[CurveChart] = []
    headlines: list[Grid] = []
    for one in (one for one in analyses_of(table) if not is_progress(one)):
        for grid, curve in split_charts(drawing, table, one, splits):
            (when if one in _FIRST else more).append(curve)
            headlines.append(grid)
    grids = [*headlines]
    families, left_out = [], _left_out(document, shown, splits)
    for one in analyses_of(table):
        section = _family(drawing, table, document, one, splits, split, left_out)
        if section is not None:
            families.append(section)
            grids += [grid for group in section.groups for grid in group.grids]
    progress = [
        curve for one in analyses_of(table) if is_progress(one) for curve in progress_charts(drawing, table, one)
    ]
    curves = [*when, *more, *(curve for family in families for curve in family.curves)]
    texts = [_step_text(step, run, document) for step in shown]
    groups = [(group.title, group.grids) for family in families for group in family.groups]
    return Inside(
        facts=_facts(document),
        splits=splits,
        split=split,
        steps=texts,
        phases=_phases(document, shown),
        glances=[(one, glance(one, headlines, shown)) for one in splits],
        when=when,
        more=more,
        families=families,
        progress=progress,
        numbers=numbers_table(f"{split}, step {count(shown[-1])}", groups, split, -1),
        left_out=left_out,
        data=page_data(
            texts,
            grids,
            [curve.data for curve in curves if curve.data is not None],
            {"toggle": drawing.cursor, "places": [drawing.axis.position(step) for step in shown]},
        ),
    )


def _shown_steps(table: pa.Table, document: AnalysisDocument, splits: Sequence[str]) -> set[int]:
    """Return as many steps as a page has room for, the ends and the phases among them."""
    steps = document.steps
    numbers = sum(
        len(rows_of(table, one, [spec.metric], steps=steps[-1:], splits=[*splits, ""]))
        for one in analyses_of(table)
        for spec in maps_of(table, one).specs
    )
    most = max(_FEWEST_STEPS, MOST_NUMBERS // max(1, numbers))
    places = drawn_places(steps, [], most)
    return {steps[place] for place in places} | ({*document.milestones.values()} & {*steps})


def _family(
    drawing: Drawing,
    table: pa.Table,
    document: AnalysisDocument,
    analysis: str,
    splits: Sequence[str],
    split: str,
    left_out: list[str],
) -> FamilySection | None:
    family = maps_of(table, analysis)
    groups, curves = [], []
    for spec in family.specs:
        wanted = {spec.metric, *(one.metric for one in spec.beside)}
        rows = rows_of(table, analysis, wanted, steps=drawing.steps, splits=[*splits, ""])
        grids = grids_of(spec, rows, drawing.steps, forms_of(document), f"inside-{analysis}-{spec.metric}")
        fitting = [grid for grid in grids if len(grid.rows) * len(grid.columns) <= MOST_CELLS]
        if len(fitting) < len(grids):
            left_out.append(f"{len(grids) - len(fitting)} maps of {spec.metric} with more than {MOST_CELLS} cells")
        if not fitting:
            continue
        groups.append(MapGroup(spec.title, spec.explanation, fitting))
        if spec.rows == "layer" and spec.curves:
            drawn = [grid for grid in fitting if grid.frame(split) is not None]
            curves += list(_curves(drawing, drawn, inner_layers=analysis == "tracing"))
    return FamilySection(family.title, family.explanation, groups, curves) if groups else None


def _curves(drawing: Drawing, grids: Sequence[Grid], *, inner_layers: bool) -> Iterator[CurveChart]:
    for grid in grids:
        cells = cells_with_curves(grid, inner_layers=inner_layers)
        if cells and len(drawing.steps) > 1:
            title = f"{grid.spec.metric}: {grid.title}"
            yield grid_chart(drawing, grid, f"{grid.element}-curves", title, cells, height=190)


def _facts(document: AnalysisDocument) -> list[tuple[str, str]]:
    spec = document.analysis
    steps = document.steps
    return [
        ("analyzed steps", f"{len(steps)}, from {count(steps[0])} to {count(steps[-1])}"),
        ("examples of each split", f"up to {count(spec.get('examples'))}"),
        ("blocks", str(document.layers)),
        ("analysis", document.analysis_id),
    ]


def _left_out(document: AnalysisDocument, shown: Sequence[int], splits: Sequence[str]) -> list[str]:
    lines = [f"{name}: {reason}" for name, reason in document.left_out.items()]
    if len(shown) < len(document.steps):
        lines.append(f"{len(document.steps) - len(shown)} of {len(document.steps)} analyzed steps")
    others = [questions.split for questions in document.questions if questions.split not in splits]
    if others:
        lines.append(f"splits that are neither trained on nor held out: {', '.join(others)}")
    return lines


def _step_text(step: int, run: RunRecord, document: AnalysisDocument) -> str:
    """Tell a step, the phases that begin there, and how right the model is by then."""
    phases = [name.replace(".", " ") for name, at in document.milestones.items() if at == step]
    line = max((line for line in run.journal if line["step"] <= step), key=lambda line: line["step"])
    accuracies = [("training set", line["train"].get("accuracy"))]
    accuracies += [(name, line["splits"].get(name, {}).get("accuracy")) for name in run.evaluation.held_out]
    known = ", ".join(f"{name} {percent(value)}" for name, value in accuracies if value is not None)
    return " · ".join(part for part in (count(step), *phases, f"accuracy: {known}") if part)


def _phases(document: AnalysisDocument, shown: Sequence[int]) -> list[tuple[str, int]]:
    found = sorted((step, name) for name, step in document.milestones.items() if step in shown)
    named = [(name.replace(".", " "), shown.index(step)) for step, name in found]
    return [*named, ("last step", len(shown) - 1)]
