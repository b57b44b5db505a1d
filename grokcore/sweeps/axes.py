"""The alternatives of a sweep's axes: what each sets, and what it is called in names of points."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from grokcore.runs.fields import value_text
from grokcore.spec.overrides import Override
from grokcore.sweeps.spec import Axis, GridAxis, ListAxis, PointsAxis, RandomAxis, draw


@dataclass(frozen=True)
class Alternative:
    """One value of an axis."""

    name: str
    overrides: tuple[str | Override, ...]


def alternatives(axis: Axis) -> list[Alternative]:
    """Return the values of an axis, each with its part of a point's name."""
    match axis:
        case GridAxis():
            name = axis.name or axis.field
            found = [Alternative(_part(name, value), (override(axis.field, value),)) for value in axis.values]
        case RandomAxis():
            found = list(_draws(axis))
        case PointsAxis():
            prefix = f"{axis.name}=" if axis.name else ""
            found = [Alternative(f"{prefix}{name}", overrides) for name, overrides in axis.points.items()]
        case ListAxis():
            found = [Alternative(name, overrides) for name, overrides in axis.points.items()]
    return found


def entries(axis: Axis) -> range:
    """Return the places of an axis's values, which it does not make."""
    match axis:
        case GridAxis():
            return range(len(axis.values))
        case RandomAxis():
            return range(axis.draws)
        case _:
            return range(len(axis.points))


def _draws(axis: RandomAxis) -> Iterator[Alternative]:
    for number in range(axis.draws):
        values = {field: draw(what, axis.seed, f"{field}/{number}") for field, what in axis.fields.items()}
        yield Alternative(
            ",".join(_part(field, value) for field, value in values.items()),
            tuple(override(*item) for item in values.items()),
        )


def override(field: str, value: JsonValue) -> Override:
    """Override a field with a typed value."""
    return Override(tuple(field.split(".")), value)


_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def _part(name: str, value: JsonValue) -> str:
    """Write a setting as a part of a name that is safe for files: `task.values=20`."""
    return f"{name}={_safe_text(value)}"


def _safe_text(value: JsonValue) -> str:
    """Write a value: 0.1, true, none, 0.9+0.98 for a list. Different values may read alike; `_check_names` looks."""
    match value:
        case str():
            return _UNSAFE.sub("_", value) or "empty"
        case list():
            return "+".join(map(_safe_text, value)) or "empty"
        case dict():
            return "+".join(f"{name}-{_safe_text(item)}" for name, item in value.items()) or "empty"
        case _:
            return value_text(value)
