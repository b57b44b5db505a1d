"""Two settings at once: the median time to grok at each combination, and how one changes the effect of the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from grokcore.errors import InputError
from grokcore.reporting.formatting import significant
from grokcore.reporting.outcomes import Outcome, Outcomes
from grokcore.reporting.study import Axis, Split, Study
from grokcore.runs.fields import fields_of, value_text
from grokcore.runs.groups import Group, labels_of

MOST_FACETS = 12
"""Combinations of further settings that are shown for a split."""
_FEWEST_CELLS = 4
"""Cells of a combination of further settings that are worth a map."""
_FEWEST_DRAWN = 4
"""Values of a second field that are worth a map where the first alone tells the groups apart."""


@dataclass(frozen=True)
class HeatCell:
    """A combination of two values: its group, and what became of that on the split."""

    group: Group
    outcome: Outcome


@dataclass(frozen=True)
class HeatMap:
    """Median steps until a split was sustained, by two settings.

    Attributes:
        facet: the values of all other settings that tell the groups apart; empty where there are none.
        cells: by row and column; None where a combination was not run.
        limits: the shortest and the longest known median of the split, in all of its maps; None where none is known.
        interaction: empty where a median that it needs is not known.
    """

    split: Split
    facet: str
    rows: Axis
    columns: Axis
    cells: list[list[HeatCell | None]]
    limits: tuple[int, int] | None
    interaction: str

    @property
    def row_heads(self) -> list[str]:
        return [value_text(value) for value in self.rows.values]

    @property
    def column_heads(self) -> list[str]:
        return [value_text(value) for value in self.columns.values]

    @property
    def title(self) -> str:
        return f"{self.split.title}: {self.facet}" if self.facet else self.split.title

    @property
    def filled(self) -> list[HeatCell]:
        return [cell for row in self.cells for cell in row if cell is not None]

    @property
    def is_grid(self) -> bool:
        """Whether most combinations were run, as in a grid; values that were drawn at random have each their own."""
        return 2 * len(self.filled) >= len(self.rows.values) * len(self.columns.values)


@dataclass(frozen=True)
class HeatMaps:
    """The maps of a study; `note` tells which settings they show of several, and what they leave out."""

    maps: list[HeatMap]
    note: str


def heat_maps(
    study: Study, outcomes: Outcomes, *, x: str | None = None, y: str | None = None, split: str | None = None
) -> HeatMaps:
    """Map a study with two axes or more.

    Of more than two, those with the most values are the map's, and every combination of the others has a map. Numbers
    that were drawn at random in pairs make two axes as well, though one of them alone tells the groups apart.

    Args:
        x, y: fields to take for the axes of the map.
        split: the only held-out split to map; by default all.

    Raises:
        InputError: the study has no such axis or split.
    """
    axes = [axis for axis in study.axes if len(axis.values) > 1]
    beyond = [_axis_of(study, name) for name in study.beyond]
    if len(axes) == len(beyond) == 1 and all(axis.is_numeric for axis in (*axes, *beyond)):
        axes += [axis for axis in beyond if len(axis.values) >= _FEWEST_DRAWN]
    chosen = [_chosen([*axes, *beyond], name) for name in (x, y) if name is not None]
    axes += [axis for axis in chosen if axis not in axes]
    known = [axis.name for axis in axes]
    splits = [one for one in study.held_out if split in (None, one.name)]
    if not splits:
        names = ", ".join(one.name for one in study.held_out)
        raise InputError(f"there is no held-out split {split!r}; the held-out splits are {names}")
    if len(axes) < 2:
        return HeatMaps([], "")
    rest = sorted((axis for axis in axes if axis not in chosen), key=lambda axis: -len(axis.values))
    if x is None:
        columns, rows = (rest[0], chosen[0]) if chosen else (rest[0], rest[1])
    else:
        columns, rows = chosen[0], chosen[1] if len(chosen) > 1 else rest[0]
    if columns == rows:
        raise InputError(f"x and y are both {columns.name}: take two of {', '.join(known)}")
    others = [name for name in known if name not in (rows.name, columns.name)]
    facets: dict[str, list[tuple[int, Group]]] = {}
    for number, group in enumerate(study.groups):
        (label,) = labels_of([{name: _value(group, name) for name in others}])
        facets.setdefault(label, []).append((number, group))
    kept = {label: found for label, found in facets.items() if not others or len(found) >= _FEWEST_CELLS}
    shown = dict(list(kept.items())[:MOST_FACETS])
    maps = [one for split_ in splits for one in _maps(outcomes, split_, rows, columns, shown)]
    if others:
        maps = [one for one in maps if one.is_grid]
    note = _note(rows, columns, others, len({one.facet for one in maps}), len(facets)) if others and maps else ""
    return HeatMaps(maps, note)


def ratio_of_ratios(corners: tuple[tuple[float, float], tuple[float, float]]) -> float:
    """Return the interaction of two factors on the log time scale: (t11 / t10) / (t01 / t00).

    1 means that the second factor changes times by the same factor at both values of the first.
    """
    (t00, t01), (t10, t11) = corners
    return (t11 / t10) / (t01 / t00)


def share_of(step: int, limits: tuple[int, int]) -> float:
    """Return the place of a median on the logarithmic color scale, from 0 to 1."""
    low, high = (math.log(max(1, limit)) for limit in limits)
    return (math.log(max(1, step)) - low) / (high - low) if high > low else 0.0


def _value(group: Group, name: str) -> Any:
    """A group's value of a setting that names it, or of another field of its spec."""
    return group.settings[name] if name in group.settings else fields_of(group.spec).get(name)


def _axis_of(study: Study, name: str) -> Axis:
    values = list({repr(value): value for group in study.groups for value in [_value(group, name)]}.values())
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    return Axis(name, tuple(values))


def _chosen(axes: Sequence[Axis], name: str) -> Axis:
    found = {axis.name: axis for axis in axes if axis.name == name or axis.name.endswith(f".{name}")}
    if len(found) != 1:
        known = ", ".join(dict.fromkeys(axis.name for axis in axes)) or "nothing"
        raise InputError(f"{name!r} is no field that the runs differ in; they differ in {known}")
    return next(iter(found.values()))


def _note(rows: Axis, columns: Axis, others: Sequence[str], shown: int, facets: int) -> str:
    of_all = "" if shown == facets else f", for {shown} of {facets} combinations"
    return (
        f"The groups differ in {len(others) + 2} settings. The maps show {columns.name} and {rows.name}, one for each "
        f"combination of {' and '.join(others)}{of_all}."
    )


def _maps(
    outcomes: Outcomes, split: Split, rows: Axis, columns: Axis, facets: dict[str, list[tuple[int, Group]]]
) -> list[HeatMap]:
    """Return a map a facet, all on one scale of colors."""
    found = {
        facet: {
            (repr(_value(group, rows.name)), repr(_value(group, columns.name))): HeatCell(group, outcome)
            for number, group in groups
            if (outcome := outcomes.get(number, split, "sustained")) is not None
        }
        for facet, groups in facets.items()
    }
    cells = [cell for of_facet in found.values() for cell in of_facet.values()]
    known = [cell.outcome.median.step for cell in cells if not cell.outcome.median.censored]
    limits = (min(known), max(known)) if known else None
    return [_heat_map(split, facet, rows, columns, of_facet, limits) for facet, of_facet in found.items() if of_facet]


def _heat_map(
    split: Split,
    facet: str,
    rows: Axis,
    columns: Axis,
    found: dict[tuple[str, str], HeatCell],
    limits: tuple[int, int] | None,
) -> HeatMap:
    rows, columns = (_without_unused(axis, {key[place] for key in found}) for place, axis in enumerate((rows, columns)))
    cells = [[found.get((repr(row), repr(column))) for column in columns.values] for row in rows.values]
    return HeatMap(split, facet, rows, columns, cells, limits, _interaction(rows, columns, found))


def _without_unused(axis: Axis, used: set[str]) -> Axis:
    values: tuple[Any, ...] = tuple(value for value in axis.values if repr(value) in used)
    return Axis(axis.name, values)


def _interaction(rows: Axis, columns: Axis, found: dict[tuple[str, str], HeatCell]) -> str:
    """Tell how the effect of the columns' field differs between the first and the last row."""
    ends = [(axis.values[0], axis.values[-1]) for axis in (rows, columns)]
    corners = [found.get((repr(row), repr(column))) for row, column in product(*ends)]
    medians = [one.outcome.median.step for one in corners if one is not None and not one.outcome.median.censored]
    if len(medians) < 4 or not all(medians) or any(first == last for first, last in ends):
        return ""
    t00, t01, t10, t11 = medians
    (first_row, last_row), (first, last) = ([value_text(value) for value in pair] for pair in ends)
    return (
        f"From {columns.name} {first} to {last} the median changes by a factor of {significant(t01 / t00, 2)} with "
        f"{rows.name} {first_row}, and of {significant(t11 / t10, 2)} with {rows.name} {last_row}: ratio of ratios "
        f"{significant(ratio_of_ratios(((t00, t01), (t10, t11))), 2)} (1 is no interaction). These are medians; no "
        "interval is given."
    )
