"""What every part of a specification has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Spec(BaseModel):
    """A frozen description: an unknown field is an error, a value never changes after validation."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def outside_identity(default: Any, *, description: str, **constraints: Any) -> Any:
    """A field that does not change the result of a run (a budget, a place), so that no id depends on it."""
    return Field(default, description=description, json_schema_extra={"identity": False}, **constraints)


def added_later(neutral: Any, *, description: str, **constraints: Any) -> Any:
    """A field with the default `neutral`, hashed only where it differs from it.

    Runs made before the field existed keep their ids.
    """
    return Field(neutral, description=description, json_schema_extra={"identity": "unless default"}, **constraints)


def identity_rule(field: FieldInfo) -> Any:
    """Whether a field belongs to the identity: True, False, or `unless default`."""
    extra = field.json_schema_extra
    return extra.get("identity", True) if isinstance(extra, dict) else True


def identity_of(spec: Spec) -> dict[str, Any]:
    """The fields of `spec` that decide a result, as plain JSON values."""
    dumped = spec.model_dump(mode="json")
    identity: dict[str, Any] = {}
    for name, field in type(spec).model_fields.items():
        rule = identity_rule(field)
        value = getattr(spec, name)
        if rule is False or (rule == "unless default" and value == field.default):
            continue
        identity[name] = identity_of(value) if isinstance(value, Spec) else dumped[name]
    return identity
