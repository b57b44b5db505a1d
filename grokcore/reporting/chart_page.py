"""A page with the charts of one kind alone, the same as on the page of a run or a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from bokeh.models import Range1d

from grokcore.errors import InputError
from grokcore.reporting import accuracy_charts as curves
from grokcore.reporting.figures import Chart
from grokcore.reporting.html import render_page
from grokcore.reporting.interaction import heat_maps
from grokcore.reporting.outcomes import outcomes_of
from grokcore.reporting.phase_diagrams import phase_diagram
from grokcore.reporting.run_section import SplitButton, run_sections
from grokcore.reporting.study import Study, study_of
from grokcore.reporting.time_charts import dose_responses, survival_charts
from grokcore.runs.groups import Group

ChartKind = Literal["accuracy", "time_to_grok", "dose_response", "phase_diagram", "loss", "optimizer"]

_OF_ONE_RUN = ("loss", "optimizer")
"""Kinds that a single run has alone."""
_OF_MANY = ("time_to_grok", "dose_response", "phase_diagram")


@dataclass(frozen=True)
class ChartPage:
    """A page of charts: its HTML, the charts, and the buttons that show and hide curves in all of them."""

    html: str
    charts: list[Chart]
    buttons: list[SplitButton]


def chart_page(
    groups: Sequence[Group],
    kind: ChartKind = "accuracy",
    *,
    split: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> ChartPage:
    """Draw the charts of a kind.

    Args:
        kind: `accuracy` by split, of a single run all splits in one chart; `loss` and `optimizer` (learning rate, norms
            of gradient and weights) of a single run; of several, `time_to_grok` (share of seeds not there yet),
            `dose_response` (times along each numeric field) and `phase_diagram` (times by two fields).
        split: the only split to draw.
        x, y: fields for the axes of a phase diagram; by default those with the most values.

    Raises:
        InputError: the runs have no such chart, split or field.
    """
    if kind not in get_args(ChartKind):
        raise InputError(f"there is no chart {kind!r}; charts are {', '.join(get_args(ChartKind))}")
    if (x or y) and kind != "phase_diagram":
        raise InputError(f"x and y choose the axes of a phase_diagram; {kind} has its own")
    study = study_of(groups)
    notes: list[str] = []
    if study.runs == 1:
        charts, buttons = _of_run(study, kind)
    else:
        charts, notes = _of_groups(study, kind, x, y)
        label = enumerate(study.groups)
        buttons = [SplitButton(number, group.label, study.styles[number]) for number, group in label]
        buttons = [] if kind in ("phase_diagram", "dose_response") else buttons
    if split is not None and kind not in _OF_ONE_RUN and study.runs > 1:
        charts = [chart for chart in charts if chart.title == split or chart.title.startswith(f"{split}: ")]
    if not charts:
        raise InputError(_missing(study, kind, split))
    html = render_page(
        "charts.html.j2", charts, title=kind.replace("_", " "), charts=charts, buttons=buttons, notes=notes
    )
    return ChartPage(html, charts, buttons)


def _of_run(study: Study, kind: ChartKind) -> tuple[list[Chart], list[SplitButton]]:
    (section,) = run_sections(study, Range1d(*study.steps.limits), 0)
    charts = {"accuracy": [section.accuracy], "loss": [section.loss], "optimizer": section.dynamics}
    return charts.get(kind, []), [] if kind == "optimizer" else section.buttons


def _of_groups(study: Study, kind: ChartKind, x: str | None, y: str | None) -> tuple[list[Chart], list[str]]:
    x_range, band_button = Range1d(*study.steps.limits), len(study.groups)
    if kind == "accuracy":
        return curves.accuracy_charts(study, curves.bands_of(study), x_range, band_button), []
    if kind in _OF_ONE_RUN:
        return [], []
    outcomes = outcomes_of(study, contrasts=False)
    if kind == "time_to_grok":
        return survival_charts(study, outcomes, x_range, band_button), []
    if kind == "dose_response":
        return [chart for dose in dose_responses(study, outcomes) for chart in dose.charts], []
    found = heat_maps(study, outcomes, x=x, y=y)
    charts = [phase_diagram(f"phase-diagram-{place}", one) for place, one in enumerate(found.maps)]
    return charts, [found.note] if found.note else []


def _missing(study: Study, kind: ChartKind, split: str | None) -> str:
    if study.runs == 1 and kind in _OF_MANY:
        return f"{kind} compares runs, and there is one: take accuracy, loss or optimizer"
    if kind in _OF_ONE_RUN:
        return f"{kind} is drawn of a single run: runs[0].plot({kind!r})"
    if split is not None and split not in [one.title for one in study.splits]:
        return f"there is no split {split!r}; the splits are {', '.join(one.title for one in study.splits)}"
    axes = ", ".join(axis.name for axis in study.axes) or "nothing"
    needed = "two fields" if kind == "phase_diagram" else "a numeric field"
    return f"a {kind} needs runs that differ in {needed}; these are told apart by {axes}"
