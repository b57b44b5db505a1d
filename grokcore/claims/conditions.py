"""Conditions on the fields of a spec: the groups that a claim is about, and the factor that it varies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.runs.fields import value_text


class Is(Part):
    """The field has one of these values; a field that is not there has none."""

    kind: Literal["is"] = "is"
    field: str
    values: tuple[str | float, ...]

    def holds(self, value: Any) -> bool:
        return value in self.values

    def describe(self) -> str:
        return f"{self.field} {' or '.join(map(value_text, self.values))}"


class Below(Part):
    """The field is a number below this."""

    kind: Literal["below"] = "below"
    field: str
    value: float

    def holds(self, value: Any) -> bool:
        return _number(value) and value < self.value

    def describe(self) -> str:
        return f"{self.field} below {self.value:g}"


class AtLeast(Part):
    """The field is a number not below this."""

    kind: Literal["at_least"] = "at_least"
    field: str
    value: float

    def holds(self, value: Any) -> bool:
        return _number(value) and value >= self.value

    def describe(self) -> str:
        return f"{self.field} {self.value:g} or more"


class Above(Part):
    """The field is a number above this."""

    kind: Literal["above"] = "above"
    field: str
    value: float

    def holds(self, value: Any) -> bool:
        return _number(value) and value > self.value

    def describe(self) -> str:
        return f"{self.field} above {self.value:g}"


Condition = Annotated[Is | Below | AtLeast | Above, Field(discriminator="kind")]


def all_hold(conditions: Iterable[Condition], fields: Mapping[str, Any]) -> bool:
    return all(condition.holds(fields.get(condition.field)) for condition in conditions)


def describe_all(conditions: Iterable[Condition]) -> str:
    return ", ".join(condition.describe() for condition in conditions)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class NoFactor(Part):
    """No factor: the claim is about groups on their own."""

    kind: Literal["none"] = "none"

    @property
    def fields(self) -> frozenset[str]:
        return frozenset()

    def level(self, fields: Mapping[str, Any]) -> float | None:
        return 0.0

    def describe(self, fields: Mapping[str, Any]) -> str:
        return "all"


class TwoLevelFactor(Part):
    """Two levels: 0 is the reference, 1 the level that the claim is about. Groups of neither are left out."""

    kind: Literal["two_levels"] = "two_levels"
    first: tuple[Condition, ...]
    second: tuple[Condition, ...]
    names: tuple[str, str] = Field(description="names of the two levels, for sentences")

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(condition.field for condition in (*self.first, *self.second))

    def level(self, fields: Mapping[str, Any]) -> float | None:
        if all_hold(self.first, fields):
            return 0.0
        return 1.0 if all_hold(self.second, fields) else None

    def describe(self, fields: Mapping[str, Any]) -> str:
        return self.names[int(self.level(fields) or 0)]


class NumericFactor(Part):
    """A positive number, on a logarithmic scale: an effect is a ratio per doubling."""

    kind: Literal["numeric"] = "numeric"
    field: str
    name: str = Field(description="name of the field, for sentences")

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.field})

    def level(self, fields: Mapping[str, Any]) -> float | None:
        value = fields.get(self.field)
        return math.log(value) if isinstance(value, int | float) and value > 0 else None

    def describe(self, fields: Mapping[str, Any]) -> str:
        return f"{self.name} {value_text(fields[self.field])}"


Factor = Annotated[NoFactor | TwoLevelFactor | NumericFactor, Field(discriminator="kind")]
