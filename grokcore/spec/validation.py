"""Validate documents, and turn pydantic's errors into one line."""

from __future__ import annotations

import difflib
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from grokcore.errors import InputError
from grokcore.spec.models import ARCHITECTURES_IN_SPECS
from grokcore.spec.plugins.open_union import OpenUnion
from grokcore.spec.shown import shown
from grokcore.spec.tasks import TASKS_IN_SPECS

UNIONS: dict[str, OpenUnion] = {"task": TASKS_IN_SPECS, "model": ARCHITECTURES_IN_SPECS}
"""Sections that are a choice between classes."""

T = TypeVar("T")


def validate(kind: type[T] | Any, document: Any) -> T:
    """`document` as a `kind` (a spec class or a union of them).

    Raises:
        InputError: in one line, the first field that is wrong and what is allowed there.
    """
    try:
        validated: T = TypeAdapter(kind).validate_python(document)
        return validated
    except ValidationError as error:
        raise InputError(describe(error, kind)) from None


def describe(error: ValidationError, kind: Any) -> str:
    """Return the first problem of a validation in one line, with the number of further ones."""
    problems = error.errors(include_url=False)
    first = problems[0]
    location, owner = _locate(first["loc"], kind, first["input"])
    message = first["msg"].removeprefix("Value error, ")
    match first["type"]:
        case "extra_forbidden":
            allowed = sorted(owner.model_fields) if owner else []
            near = difflib.get_close_matches(_clipped(first["loc"][-1]), allowed, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            message = f"there is no such field{hint}; allowed are {', '.join(allowed)}"
        case "union_tag_invalid":
            location = f"{location}.{first['ctx']['discriminator'].strip(chr(39))}".lstrip(".")
            message = f"{shown(first['ctx']['tag'])} is not known; allowed are {first['ctx']['expected_tags']}"
        case "union_tag_not_found":
            message = f"needs {first['ctx']['discriminator']} to say which kind it is"
        case "model_attributes_type" if owner is not None:
            fields = ", ".join(list(owner.model_fields)[:3])
            message = f"must be a mapping with fields such as {fields}, got {shown(first['input'])}"
        case "missing":
            message = "is required"
        case "value_error":
            pass
        case _:
            message = f"{message[0].lower()}{message[1:]}, got {shown(first['input'])}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{location}: {message}{more}" if location else f"{message}{more}"


def _clipped(part: Any) -> str:
    """A field's name as a person can have meant it: a file can have one of millions of characters."""
    text = str(part)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _locate(loc: tuple[Any, ...], kind: Any, value: Any) -> tuple[str, type[BaseModel] | None]:
    """The dotted name of an error's place, without the tags pydantic adds for unions, and the class that owns it."""
    parts: list[str] = []
    owner: Any = kind
    for part in loc:
        members = classes_of(owner)
        tagged = [member for member in members if part in _tags(member)] if len(members) > 1 else []
        if tagged:
            owner = tagged[0]
            continue
        holder = members[0] if members else None
        parts.append(_clipped(part))
        if isinstance(part, int):
            continue  # an element of a list is what the list is made of
        if holder is not None and part in holder.model_fields:
            owner = holder.model_fields[part].annotation
        elif part != loc[-1]:
            owner = None
    members = classes_of(owner)
    return ".".join(parts), members[0] if members else None


def _tags(member: type[BaseModel]) -> set[str]:
    tags: set[str] = set()
    for union in UNIONS.values():
        if union.chooser in member.model_fields:
            tags.update(get_args(member.model_fields[union.chooser].annotation))
    return tags


def classes_of(annotation: Any) -> list[type[BaseModel]]:
    """The spec classes that an annotation can stand for."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return next(([*union.known] for union in UNIONS.values() if union.base is annotation), [annotation])
    if get_origin(annotation) is Literal:
        return []
    if get_origin(annotation) in (Union, types.UnionType) or get_args(annotation):
        return [member for argument in get_args(annotation) for member in classes_of(argument)]
    return []
