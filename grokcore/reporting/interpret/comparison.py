"""What analyses found inside the models of several groups, side by side: medians over seeds at the last step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grokcore.interpret.result import Analysis
from grokcore.reporting.formatting import NOTHING, count
from grokcore.reporting.interpret.cells import fixed
from grokcore.reporting.interpret.data import page_data
from grokcore.reporting.interpret.families import analyses_of, chosen_splits, first_split, maps_of
from grokcore.reporting.interpret.grids import Frame, Grid, Values, forms_of, grids_of, rows_of
from grokcore.reporting.interpret.headlines import headline_grids
from grokcore.reporting.interpret.metrics import is_progress
from grokcore.reporting.study import Study
from grokcore.reporting.table import Cell, Row, Section, Table
from grokcore.runs.groups import Group

MOST_GROUPS = 12
"""Groups beyond which maps would be too many to look at; tables have all."""
_SIDE_BY_SIDE = {"lens": ("lens_gain",), "tracing": ("flip", "specificity"), "attention": ()}
"""Metrics that are shown, by analysis; of others, all."""


@dataclass(frozen=True)
class SideBySide:
    """The maps of one metric, target or counterfactual: (label of a group, its map)."""

    title: str
    maps: list[tuple[str, Grid]]


@dataclass(frozen=True)
class Compared:
    """What is shown of the groups that were analyzed.

    Attributes:
        seeds: (label of a group, analyzed runs, their last analyzed steps).
        families: (heading, explanation, its maps).
        headlines: a table for each split.
    """

    seeds: list[tuple[str, int, str]]
    splits: list[str]
    split: str
    families: list[tuple[str, str, list[SideBySide]]]
    headlines: list[tuple[str, Table]]
    left_out: list[str]
    data: dict[str, Any]


def compared(study: Study, analyses: Mapping[str, Analysis]) -> Compared | None:
    """Return the groups side by side; None where no run was analyzed."""
    found = [(group, [analyses[run.uri] for run in group.runs if run.uri in analyses]) for group in study.groups]
    groups = [(group, own) for group, own in found if own]
    if not groups:
        return None
    chosen = (split for group, own in groups for one in own for split in chosen_splits(one.document, group.runs[0]))
    splits = list(dict.fromkeys(chosen))
    families = list(_families(groups[:MOST_GROUPS], splits))
    maps = [grid for *_, rows in families for row in rows for _, grid in row.maps]
    left_out = [f"maps of {len(groups) - MOST_GROUPS} more groups"] if len(groups) > MOST_GROUPS else []
    left_out += [group.label for group, own in found if not own and len(study.groups) > 1]
    return Compared(
        seeds=[(group.label, len(own), _last_steps(own)) for group, own in groups],
        splits=splits,
        split=first_split(splits, study),
        families=families,
        headlines=[(split, _headlines(groups, split)) for split in splits],
        left_out=left_out,
        data=page_data(["last"], maps),
    )


def _last_steps(analyses: Sequence[Analysis]) -> str:
    steps = sorted({one.document.steps[-1] for one in analyses})
    return count(steps[0]) if len(steps) == 1 else f"{count(steps[0])} to {count(steps[-1])}"


def _families(
    groups: Sequence[tuple[Group, Sequence[Analysis]]], splits: Sequence[str]
) -> Iterator[tuple[str, str, list[SideBySide]]]:
    names = dict.fromkeys(name for _, own in groups for one in own for name in analyses_of(one.table))
    for name in (name for name in names if not is_progress(name)):
        rows: dict[str, list[tuple[str, Grid]]] = {}
        title = explanation = ""
        for number, (group, own) in enumerate(groups):
            family = maps_of(own[0].table, name)
            title, explanation = family.title or title, family.explanation or explanation
            for spec in family.specs:
                if spec.bars or spec.metric not in _SIDE_BY_SIDE.get(name, (spec.metric,)):
                    continue
                of_runs = [_at_last(one, spec, splits, f"inside-{number}-{name}-{spec.metric}") for one in own]
                for grid in over_seeds(of_runs):
                    heading = grid.title if grid.title == spec.metric else f"{spec.metric}: {grid.title}"
                    rows.setdefault(heading, []).append((group.label, grid))
        if rows:
            yield title, explanation, [SideBySide(heading, maps) for heading, maps in rows.items()]


def _at_last(analysis: Analysis, spec: Any, splits: Sequence[str], prefix: str) -> list[Grid]:
    last = [analysis.document.steps[-1]]
    wanted = {spec.metric, *(one.metric for one in spec.beside)}
    rows = rows_of(analysis.table, spec.analysis, wanted, steps=last, splits=[*splits, ""])
    return grids_of(spec, rows, last, forms_of(analysis.document), prefix)


def over_seeds(of_runs: Sequence[Sequence[Grid]]) -> list[Grid]:
    """Return the medians of the runs' maps, with the range; those of a single run keep its intervals."""
    if len(of_runs) == 1:
        return list(of_runs[0])
    same: dict[tuple[Any, ...], list[Grid]] = {}
    for grids in of_runs:
        for grid in grids:
            same.setdefault((grid.title, grid.rows, grid.columns), []).append(grid)
    merged = []
    for number, found in enumerate(same.values()):
        splits = dict.fromkeys(split for grid in found for split in grid.frames)
        frames = {split: _merged([grid.frames[split] for grid in found if split in grid.frames]) for split in splits}
        element = f"{found[0].element.rpartition('-')[0]}-{number}"
        merged.append(replace(found[0], element=element, frames=frames, interval="range", counted="{} seeds"))
    return merged


def _merged(frames: Sequence[Frame]) -> Frame:
    values = np.stack([frame.values for frame in frames])
    known = (~np.isnan(values)).sum(0).astype(float)
    least = min(len(frame.beside) for frame in frames)
    beside = _median(np.stack([frame.beside[:least] for frame in frames]))
    low, high = (_ends(values, sign) for sign in (-1, 1))
    return Frame(_median(values), low, high, np.where(known == 0, np.nan, known), beside)


def _median(values: Values) -> Values:
    """Return the median over the first axis, NaN where nothing is known."""
    empty = np.isnan(values).all(axis=0)
    found: Values = np.where(empty, np.nan, np.nanmedian(np.where(empty, 0, values), axis=0))
    return found


def _ends(values: Values, sign: int) -> Values:
    found: Values = np.where(np.isnan(values), -np.inf, sign * values).max(axis=0)
    return np.where(np.isinf(found), np.nan, sign * found)


def _headlines(groups: Sequence[tuple[Group, Sequence[Analysis]]], split: str) -> Table:
    """Return the headlines of a split at the last steps, a column for each group."""
    numbers: dict[str, dict[str, dict[int, list[tuple[float, str]]]]] = {}
    for place, (_, own) in enumerate(groups):
        for analysis in own:
            for grid in _headline_grids(analysis, split):
                frame = grid.frame(split)
                for cell, name in enumerate(grid.columns):
                    if frame is None or math.isnan(frame.values[-1, cell]):
                        continue
                    site = frame.notes[-1][cell] if frame.notes else ""
                    rows = numbers.setdefault(grid.title, {}).setdefault(str(name), {})
                    rows.setdefault(place, []).append((float(frame.values[-1, cell]), site))
    places = range(len(groups))
    sections = [
        Section(title, [Row(name, [_cell(of.get(place, [])) for place in places]) for name, of in rows.items()])
        for title, rows in numbers.items()
    ]
    return Table(f"{split}: headlines at the last analyzed step", [group.label for group, _ in groups], sections)


def _headline_grids(analysis: Analysis, split: str) -> Iterator[Grid]:
    for name in analyses_of(analysis.table):
        if not is_progress(name):
            yield from headline_grids(analysis.table, name, analysis.document.steps[-1:], [split])


def _cell(found: Sequence[tuple[float, str]]) -> Cell:
    if not found:
        return Cell(NOTHING, muted=True)
    values = [value for value, _ in found]
    sites = list(dict.fromkeys(site for _, site in found if site))
    note = [f"{fixed(min(values), 2)} to {fixed(max(values), 2)}", f"{len(values)} seeds"] if len(values) > 1 else []
    return Cell(fixed(float(np.median(values)), 2), " · ".join([*note, "; ".join(sites)] if sites else note))
