"""Which groups a claim is about, as conditions on the fields of their specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.runs.groups import value_text


class Is(Part):
    """The field has one of these values; a field that is not there has none."""

    kind: Literal["is"] = "is"
    field: str
    values: tuple[str | float, ...]

    def holds(self, value: Any) -> bool:
        return value in self.values

    def words(self) -> str:
        return f"{self.field} {' or '.join(map(value_text, self.values))}"


class Below(Part):
    """The field is a number below this."""

    kind: Literal["below"] = "below"
    field: str
    value: float

    def holds(self, value: Any) -> bool:
        return _number(value) and value < self.value

    def words(self) -> str:
        return f"{self.field} below {self.value:g}"


class AtLeast(Part):
    """The field is a number not below this."""

    kind: Literal["at_least"] = "at_least"
    field: str
    value: float

    def holds(self, value: Any) -> bool:
        return _number(value) and value >= self.value

    def words(self) -> str:
        return f"{self.field} {self.value:g} or more"


class Above(Part):
    """The field is a number above this."""

    kind: Literal["above"] = "above"
    field: str
    value: float

    def holds(self, value: Any) -> bool:
        return _number(value) and value > self.value

    def words(self) -> str:
        return f"{self.field} above {self.value:g}"


Condition = Annotated[Is | Below | AtLeast | Above, Field(discriminator="kind")]


def all_hold(conditions: Iterable[Condition], fields: Mapping[str, Any]) -> bool:
    return all(condition.holds(fields.get(condition.field)) for condition in conditions)


def in_words(conditions: Iterable[Condition]) -> str:
    return ", ".join(condition.words() for condition in conditions)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
