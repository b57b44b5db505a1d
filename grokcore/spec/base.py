"""The base class of every part of a spec, and which of its fields belong to an identity."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from grokcore.spec.values import fitted


class Spec(BaseModel):
    """A frozen description: an unknown field or a value of another type is an error; it never changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    RULED: ClassVar[frozenset[str] | None] = None
    """Fields whose rule of identity counts; all others belong to the identity. None: it counts for all."""

    @model_validator(mode="before")
    @classmethod
    def _fits(cls, document: Any) -> Any:
        return fitted(cls, document) if isinstance(document, dict) else document


def no_template(text: str) -> str:
    """
    Raises:
        ValueError: Kubeflow Pipelines would put something else in the place of a part of `text`.
    """
    if "{{$" in text:
        raise ValueError("must not hold {{$, which Kubeflow Pipelines would fill in: write { {$")
    return text


def outside_identity(default: Any, *, description: str, **constraints: Any) -> Any:
    """A field that does not change the result of a run (a budget, a place), so that no id depends on it."""
    return Field(default, description=description, json_schema_extra={"identity": False}, **constraints)


def added_later(neutral: Any, *, description: str, **constraints: Any) -> Any:
    """A field hashed only where it differs from `neutral`, the value that reproduces what was done without it.

    What was made before the field existed keeps its id. The default is `neutral` unless `default` is given.
    """
    extra = {"identity": "unless neutral", "neutral": neutral}
    return Field(constraints.pop("default", neutral), description=description, json_schema_extra=extra, **constraints)


def identity_rule(field: FieldInfo) -> Any:
    """Return whether a field belongs to the identity: True, False, or `unless neutral`."""
    extra = field.json_schema_extra
    return extra.get("identity", True) if isinstance(extra, dict) else True


def identity_of(spec: Spec) -> dict[str, Any]:
    """The fields of `spec` that decide a result, as plain JSON values."""
    dumped = spec.model_dump(mode="json")
    identity: dict[str, Any] = {name: dumped[name] for name in spec.model_extra or ()}
    for name, field in type(spec).model_fields.items():
        if spec.RULED is not None and name not in spec.RULED:
            identity[name] = dumped[name]
            continue
        rule = identity_rule(field)
        value = getattr(spec, name)
        if rule is False or (rule == "unless neutral" and value == _neutral(field)):
            continue
        identity[name] = identity_of(value) if isinstance(value, Spec) else dumped[name]
    return identity


def with_neutral_fields(kind: type[Spec], document: dict[str, Any]) -> dict[str, Any]:
    """A stored `document` of `kind` with the fields that did not exist yet when it was written, as they were then."""
    fields = kind.model_fields.items()
    missing = {name: _neutral(field) for name, field in fields if identity_rule(field) == "unless neutral"}
    return {**missing, **document}


def _neutral(field: FieldInfo) -> Any:
    extra = field.json_schema_extra
    return extra["neutral"] if isinstance(extra, dict) else field.default
