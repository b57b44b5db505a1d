"""Expand a sweep to its points, each a resolved experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from pydantic import JsonValue

from grokcore.documents import PlainText, core_values, parse_yaml
from grokcore.errors import InputError
from grokcore.evaluation.speedups import short_names
from grokcore.runs.groups import experiment_id, group_labels
from grokcore.spec import resolve
from grokcore.spec.overrides import parse_override
from grokcore.sweeps.axes import Alternative, alternatives, entries, override
from grokcore.sweeps.index import SweepPlace
from grokcore.sweeps.point import Point, changed_spec, on_draw, value_of
from grokcore.sweeps.sources import source_named, source_points, start_of
from grokcore.sweeps.spec import ListAxis, SweepSpec, TuningSpec

_NOT_VARIED = {
    "seed": "seeds are given by the field seeds of the sweep",
    "name": "runs are named by the fields in which they differ",
    "description": "no run depends on it",
}


def expand(
    sweep: SweepSpec, *, trained: SweepPlace | None = None, notify: Callable[[str], None] = lambda line: None
) -> list[Point]:
    """Expand to all points, in a fixed order: the product of grid, points and random axes, then the list axes.

    Points that are the same experiment are merged.

    Args:
        trained: where the sweep's sources have been trained; without it, points that start from them have no ids yet.
        notify: called with a line for merged points and for fields that an axis drops.

    Raises:
        InputError: naming axis and point: an invalid experiment, two points of one name or that differ only in fields
            that no run depends on, or more runs than `most_runs`.
    """
    _check_size(sweep)
    crossed = [alternatives(axis) for axis in sweep.axes if not isinstance(axis, ListAxis)]
    listed = [alternatives(axis) for axis in sweep.axes if isinstance(axis, ListAxis)]
    combinations = list(product(*crossed)) if crossed or not listed else []
    combinations += [(alternative,) for found in listed for alternative in found]
    notified: set[str] = set()

    def tell(line: str) -> None:
        if line not in notified:
            notified.add(line)
            notify(line)

    sources = source_points(sweep)
    points = [_point(sweep, combination, sources, trained, tell) for combination in combinations]
    _check_names(points)
    merged = _merged(points, notify)
    labels = _labels(sweep, merged)
    _check_named_points(sweep, [point.name for point in points])
    merged = _selected([replace(point, label=label) for point, label in zip(merged, labels, strict=True)], sweep.only)
    if sweep.tuning is not None:
        _check_search(sweep.tuning, merged)
    return merged


def _labels(sweep: SweepSpec, points: Sequence[Point]) -> list[str]:
    """Labels as in the comparison: by the fields that differ, or by the points' names in a sweep with a baseline."""
    if sweep.baseline is None:
        return group_labels([point.spec for point in points])
    varied, names = short_names(point.name for point in points)
    return [f"{varied} {names[point.name]}" for point in points]


def _check_named_points(sweep: SweepSpec, points: Sequence[str]) -> None:
    named = {
        "tuning.also": sweep.tuning.also if sweep.tuning else (),
        "only": sweep.only or (),
        "baseline": (sweep.baseline,) if sweep.baseline else (),
        "controls": (*sweep.controls, *(name for names in sweep.controls.values() for name in names)),
    }
    for field, names in named.items():
        if unknown := next((name for name in names if name not in points), None):
            raise InputError(f"{field}: there is no point {unknown}; points are {', '.join(points)}")


def _selected(points: list[Point], only: Sequence[str] | None) -> list[Point]:
    if only is None:
        return points
    return [point for point in points if point.name in only]


def _check_size(sweep: SweepSpec) -> None:
    """Check the number of runs before expanding: a few long axes make billions of points."""
    sizes = [len(entries(axis)) for axis in sweep.axes if not isinstance(axis, ListAxis)]
    listed = sum(len(axis.points) for axis in sweep.axes if isinstance(axis, ListAxis))
    points = listed + (math.prod(sizes) if sizes or not listed else 0)
    each = len(sweep.seeds) * len(sweep.data_seeds or (0,)) + (
        sweep.tuning.trials * len(sweep.tuning.seeds) if sweep.tuning else 0
    )
    if points * each > sweep.most_runs:
        trials = " and trials" if sweep.tuning else ""
        raise InputError(
            f"sweep {sweep.name}: {points} points of {each} seeds{trials} are {points * each} runs, more than "
            f"most_runs={sweep.most_runs}: remove some, or raise most_runs"
        )


def _point(
    sweep: SweepSpec,
    combination: tuple[Alternative, ...],
    sources: Mapping[str, Point],
    trained: SweepPlace | None,
    notify: Callable[[str], None],
) -> Point:
    name = ",".join(alternative.name for alternative in combination) or "base"
    overrides = [text for alternative in combination for text in alternative.overrides]
    try:
        settings = _settings(combination)
        if sweep.data_seeds is not None and "task.seed" in settings:
            raise InputError("task.seed is set by an axis and by data_seeds: leave it to one of them")
        spec = changed_spec(sweep.base, [override("seed", sweep.seeds[0]), *overrides], notify)
        data_seeds = sweep.data_seeds or (spec.task.seed,)
        source = source_named(spec, sources)
        start = None if source is None else start_of(source, trained)
        spec = on_draw(spec, data_seeds[0])
        spec = resolve(spec, devices=1) if start is None else start(spec)
        point = Point(name, settings, spec, sweep.seeds, data_seeds, start=start)
        if len({spec.run_id for spec in point.draws}) < len(data_seeds):
            raise InputError(f"data_seeds: the data of {spec.task.kind} do not depend on task.seed")
        if len({spec.run_id for spec in point.specs}) < len(sweep.seeds) * len(data_seeds):
            raise InputError("model.seed and training.seed are both set, so that all seeds give the same run")
    except InputError as error:
        raise InputError(f"sweep {sweep.name}, point {name}: {error}") from None
    return point


def _settings(combination: tuple[Alternative, ...]) -> dict[str, JsonValue]:
    """Collect the fields that the axes set, each by one axis only."""
    settings: dict[str, JsonValue] = {}
    for alternative in combination:
        fields = {}
        for text in alternative.overrides:
            change = parse_override(text) if isinstance(text, str) else text
            if change.path[0] in _NOT_VARIED:
                raise InputError(f"{change.field}={change.value}: {_NOT_VARIED[change.path[0]]}")
            fields[change.field] = _setting(change.value)
        twice = settings.keys() & fields.keys()
        if twice:
            raise InputError(f"{min(twice)} is set by two axes: leave it to one of them")
        settings |= fields
    return settings


def _setting(value: Any) -> JsonValue:
    """Value of an override, as shown in names and in the index."""
    if isinstance(value, PlainText):
        try:
            value = parse_yaml(value, "") if value.lstrip().startswith(("[", "{")) else core_values(value)
        except ValueError:
            value = str(value)  # not YAML, such as an operation
    found: JsonValue = value
    return found


def _check_names(points: list[Point]) -> None:
    seen: dict[str, Point] = {}
    for point in points:
        other = seen.setdefault(point.name.lower(), point)  # some file systems ignore case
        if other is not point and other.settings != point.settings:
            raise InputError(
                f"two points would be called {point.name} ({_shown(other)}; {_shown(point)}): "
                f"name them with an axis of kind points"
            )
        if len(point.name.encode()) > 200:
            raise InputError(f"the name {point.name[:60]}... of a point is too long: give its axes short names")


def _check_search(tuning: TuningSpec, points: list[Point]) -> None:
    """Validate a search before its first trial."""
    varied = {field for point in points for field in point.settings}
    if unknown := next((field for field in tuning.across if field not in varied), None):
        raise InputError(f"tuning.across: no axis varies {unknown}; axes vary {', '.join(sorted(varied)) or 'nothing'}")
    for point in points:
        search = tuning.search_of(point.name)
        set_twice = point.settings.keys() & tuning.search.keys()
        if set_twice:
            raise InputError(f"tuning.search: {min(set_twice)} is varied by an axis: leave it to one of them")
        tuning.split_on(point.spec.task)
        for share in (0.0, 1.0 - 1e-9):
            try:
                point.changed({field: what.at(share) for field, what in search.items()})
            except InputError as error:
                raise InputError(f"tuning.search, point {point.name}: {error}") from None


def _merged(points: list[Point], notify: Callable[[str], None]) -> list[Point]:
    """Drop points that are the same experiment as an earlier one."""
    kept: dict[str, Point] = {}
    for point in points:
        first = kept.setdefault(experiment_id(point.spec), point)
        if first is point:
            continue
        if first.spec != point.spec:
            fields = dict.fromkeys((*point.settings, *first.settings))
            differing = [field for field in fields if value_of(first.spec, field) != value_of(point.spec, field)]
            raise InputError(
                f"points {first.name} and {point.name} differ only in fields that no run depends on "
                f"({', '.join(differing)}): vary a field that changes the runs"
            )
        notify(f"{point.name} is the same experiment as {first.name}: run once")
    return list(kept.values())


def _shown(point: Point) -> str:
    return ", ".join(f"{field}={value}" for field, value in point.settings.items())
