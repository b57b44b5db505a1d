"""A study: groups of runs, the axes along which they differ, and the splits that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grokcore.reporting.axis import StepAxis, step_axis
from grokcore.reporting.palette import CYCLE, DASHES, Style, in_order, told_apart
from grokcore.runs.fields import differing_fields, fields_of
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord

POOLED = "train"
"""The name under which the training splits stand together."""


@dataclass(frozen=True)
class Split:
    """A split that groups are compared on; `train` is the training splits pooled."""

    name: str
    title: str
    role: str

    @property
    def is_held_out(self) -> bool:
        return self.role == "held_out"

    @property
    def is_timed(self) -> bool:
        """Whether there are times of reaching it."""
        return self.name == POOLED or self.is_held_out


@dataclass(frozen=True)
class Axis:
    """A field along which groups differ.

    Attributes:
        name: the dotted field.
        values: in their order; None stands for groups that have no such field.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def is_numeric(self) -> bool:
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


@dataclass(frozen=True)
class Study:
    """The groups of a comparison, and how they are drawn.

    Attributes:
        groups: the first is the reference that the others are held against.
        axes: what tells them apart; none where there is but one group.
        beyond: further fields in which the groups differ, which may confound what is said of the axes.
        styles: a style per group, the same in all charts.
    """

    groups: Sequence[Group]
    axes: list[Axis]
    beyond: list[str]
    splits: list[Split]
    styles: list[Style]
    steps: StepAxis

    @property
    def runs(self) -> int:
        return sum(len(group.runs) for group in self.groups)

    @property
    def held_out(self) -> list[Split]:
        return [split for split in self.splits if split.is_held_out]

    @property
    def timed(self) -> list[Split]:
        return [split for split in self.splits if split.is_timed]

    @property
    def is_crowded(self) -> bool:
        """Whether there are more groups than colors: then each gets a small chart of its own, too."""
        return len(self.groups) > len(CYCLE)


def study_of(groups: Sequence[Group]) -> Study:
    """The study of at least one group."""
    axes = _axes(groups)
    fields = [fields_of(group.spec) for group in groups]
    told = {axis.name for axis in axes}
    return Study(
        groups=groups,
        axes=axes,
        beyond=[name for name in differing_fields(fields) if name not in told],
        splits=splits_of([group.runs[0] for group in groups]),
        styles=_styles(groups, axes),
        steps=step_axis(line["step"] for group in groups for run in group.runs for line in run.journal),
    )


def has_split(group: Group, split: Split) -> bool:
    return split.name == POOLED or split.name in group.runs[0].evaluation.splits


def _axes(groups: Sequence[Group]) -> list[Axis]:
    names = list(dict.fromkeys(name for group in groups for name in group.settings))
    return [Axis(name, _values(groups, name)) for name in names]


def _values(groups: Sequence[Group], name: str) -> tuple[Any, ...]:
    """The values of a field, numbers ascending, else in the order of the groups."""
    values = list({repr(value): value for group in groups for value in [group.settings.get(name)]}.values())
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    return tuple(values)


def splits_of(runs: Sequence[RunRecord]) -> list[Split]:
    """Return the training set, held-out splits, diagnostic splits, then the training splits where they are several."""
    roles: dict[str, str] = {}
    apart: set[str] = set()
    for run in runs:
        splits = run.evaluation.splits
        roles |= {name: split.role for name, split in splits.items()}
        train = {name for name, split in splits.items() if split.role == "train"}
        apart |= train if len(train) > 1 else set()
    order = {"held_out": 0, "diagnostic": 1, "train": 2}
    single = [
        Split(name, name, role)
        for name, role in sorted(roles.items(), key=lambda item: order[item[1]])
        if name != POOLED and (role != "train" or name in apart)
    ]
    return [Split(POOLED, "training set", "train"), *single]


def _styles(groups: Sequence[Group], axes: Sequence[Axis]) -> list[Style]:
    """Two axes: a color per value of the longer one, a dash per value of the other; else each its own.

    An axis of numbers gets colors that have an order, too.
    """
    width = 2.5 if len(groups) <= len(CYCLE) else 1.75
    if len(axes) == 1 and axes[0].is_numeric and len(groups) > 2:
        colors = in_order(len(groups))
        return [Style(colors[number], DASHES[number % len(DASHES)], width) for number in range(len(groups))]
    if len(axes) == 2:
        colored, dashed = sorted(axes, key=lambda axis: -len(axis.values))
        count = len(colored.values)
        colors = in_order(count) if colored.is_numeric and count > 2 else CYCLE
        if count <= len(colors):
            dashes = [DASHES[_place(group, dashed) % len(DASHES)] for group in groups]
            return [
                Style(colors[_place(group, colored)], dash, width) for group, dash in zip(groups, dashes, strict=True)
            ]
    return [told_apart(number, width) for number in range(len(groups))]


def _place(group: Group, axis: Axis) -> int:
    return [repr(value) for value in axis.values].index(repr(group.settings.get(axis.name)))
