"""Two settings at once: a heat map of the median time to grok, and how one setting changes the effect of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from grokcore.reporting.formatting import significant
from grokcore.reporting.outcomes import Outcome, Outcomes, median_text
from grokcore.reporting.palette import in_order
from grokcore.reporting.study import Axis, Split, Study
from grokcore.runs.fields import value_text

_SHADES = 32
_LIGHT_FROM = 0.72
"""Share of the color scale from which black text is easier to read than white."""


@dataclass(frozen=True)
class HeatCell:
    """A combination of two values; `color` is empty where the median is not known."""

    median: str
    note: str
    color: str
    ink: str


@dataclass(frozen=True)
class HeatMap:
    """Median steps until a split was sustained; `interaction` is empty where a median that it needs is not known."""

    split: str
    rows: Axis
    columns: Axis
    cells: list[list[HeatCell | None]]
    interaction: str

    @property
    def row_heads(self) -> list[str]:
        return [value_text(value) for value in self.rows.values]

    @property
    def column_heads(self) -> list[str]:
        return [value_text(value) for value in self.columns.values]


def heat_maps(study: Study, outcomes: Outcomes) -> list[HeatMap]:
    """Return a heat map per held-out split of a study with two axes; none for any other study."""
    if len(study.axes) != 2 or any(len(axis.values) < 2 for axis in study.axes):
        return []
    return [_heat_map(study, outcomes, split) for split in study.held_out]


def ratio_of_ratios(corners: tuple[tuple[float, float], tuple[float, float]]) -> float:
    """Return the interaction of two factors on the log time scale: (t11 / t10) / (t01 / t00).

    1 means that the second factor changes times by the same factor at both values of the first.
    """
    (t00, t01), (t10, t11) = corners
    return (t11 / t10) / (t01 / t00)


def _heat_map(study: Study, outcomes: Outcomes, split: Split) -> HeatMap:
    columns, rows = sorted(study.axes, key=lambda axis: -len(axis.values))
    found = {
        (repr(group.settings.get(rows.name)), repr(group.settings.get(columns.name))): outcome
        for number, group in enumerate(study.groups)
        if (outcome := outcomes.get(number, split, "sustained")) is not None
    }
    known = [max(1, one.median.step) for one in found.values() if not one.median.censored]
    low, high = (math.log(min(known)), math.log(max(known))) if known else (0.0, 0.0)

    def cell(row: object, column: object) -> HeatCell | None:
        outcome = found.get((repr(row), repr(column)))
        return None if outcome is None else _cell(outcome, low, high)

    cells = [[cell(row, column) for column in columns.values] for row in rows.values]
    return HeatMap(split.title, rows, columns, cells, _interaction(rows, columns, found))


def _cell(outcome: Outcome, low: float, high: float) -> HeatCell:
    note = f"{outcome.reached} of {len(outcome.times)}"
    if outcome.median.censored:
        return HeatCell(median_text(outcome), note, "", "")
    share = (math.log(max(1, outcome.median.step)) - low) / (high - low) if high > low else 0.0
    return HeatCell(
        median_text(outcome),
        note,
        in_order(_SHADES)[round(share * (_SHADES - 1))],
        "#000" if share >= _LIGHT_FROM else "#fff",
    )


def _interaction(rows: Axis, columns: Axis, found: dict[tuple[str, str], Outcome]) -> str:
    """Tell how the effect of the columns' field differs between the first and the last row."""
    ends = [(axis.values[0], axis.values[-1]) for axis in (rows, columns)]
    corners = [found.get((repr(row), repr(column))) for row, column in product(*ends)]
    medians = [one.median.step for one in corners if one is not None and not one.median.censored]
    if len(medians) < 4 or not all(medians):
        return ""
    t00, t01, t10, t11 = medians
    (first_row, last_row), (first, last) = ([value_text(value) for value in pair] for pair in ends)
    return (
        f"From {columns.name} {first} to {last} the median changes by a factor of {significant(t01 / t00, 2)} with "
        f"{rows.name} {first_row}, and of {significant(t11 / t10, 2)} with {rows.name} {last_row}: ratio of ratios "
        f"{significant(ratio_of_ratios(((t00, t01), (t10, t11))), 2)} (1 is no interaction). These are medians; no "
        "interval is given."
    )
