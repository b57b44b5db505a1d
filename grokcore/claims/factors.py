"""What a claim says makes the difference: a setting of each group, all else being equal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.conditions import Condition, all_hold
from grokcore.runs.groups import value_text


class Alone(Part):
    """No difference: the claim is about groups on their own."""

    kind: Literal["alone"] = "alone"

    @property
    def fields(self) -> frozenset[str]:
        return frozenset()

    def level(self, fields: Mapping[str, Any]) -> float | None:
        return 0.0

    def words(self, fields: Mapping[str, Any]) -> str:
        return "all"


class Sides(Part):
    """Two sides: 0 is what is compared with, 1 is what the claim speaks of. Groups on neither are left out."""

    kind: Literal["sides"] = "sides"
    first: tuple[Condition, ...]
    second: tuple[Condition, ...]
    names: tuple[str, str] = Field(description="what people call the two sides")

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(condition.field for condition in (*self.first, *self.second))

    def level(self, fields: Mapping[str, Any]) -> float | None:
        if all_hold(self.first, fields):
            return 0.0
        return 1.0 if all_hold(self.second, fields) else None

    def words(self, fields: Mapping[str, Any]) -> str:
        return self.names[int(self.level(fields) or 0)]


class Dose(Part):
    """A positive number: its logarithm, so that what is claimed is a factor per doubling."""

    kind: Literal["dose"] = "dose"
    field: str
    name: str = Field(description="what people call it")

    @property
    def fields(self) -> frozenset[str]:
        return frozenset({self.field})

    def level(self, fields: Mapping[str, Any]) -> float | None:
        value = fields.get(self.field)
        return math.log(value) if isinstance(value, int | float) and value > 0 else None

    def words(self, fields: Mapping[str, Any]) -> str:
        return f"{self.name} {value_text(fields[self.field])}"


Factor = Annotated[Alone | Sides | Dose, Field(discriminator="kind")]
