"""Convert values to the types of their fields, alike for files, the command line, forms and sweeps.

Text without quotes (`PlainText`) is read as the type of the field: `2024` is a number for `seed` and a name for `name`.
All other values must have the field's type already: true is not a number, and "5" in quotes is text.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from grokcore.documents import PlainText, core_values, parse_plain_yaml
from grokcore.documents.checks import characters
from grokcore.documents.plain import boolean, integer, is_null, number
from grokcore.errors import InputError
from grokcore.spec.shown import shown

LARGEST = 2**63 - 1
"""The largest integer of a field, seeds included."""

_CONTAINERS = (list, tuple, dict, set, frozenset)


@dataclass(frozen=True)
class _Kinds:
    """The types that a field takes.

    Attributes:
        scalars: of bool, int, float, str and NoneType.
        choices: the values of a Literal.
        parts: annotations of lists, mappings and specs.
        anything: whether the annotation allows any value.
    """

    scalars: frozenset[type]
    choices: tuple[Any, ...]
    parts: tuple[Any, ...]
    anything: bool

    @property
    def expected(self) -> str:
        """Describe the values that a field takes, for errors."""
        words = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
        known = [words[kind] for kind in words if kind in self.scalars and not (kind is int and float in self.scalars)]
        return " or ".join([*known, *(["null"] if type(None) in self.scalars else [])])


def fitted(kind: type[BaseModel], document: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the values of a `kind` of spec to the types of its fields.

    Raises:
        ValidationError: a value cannot be converted.
    """
    fields, values, errors = kind.model_fields, dict[str, Any](), list[InitErrorDetails]()
    for name, value in document.items():
        try:
            values[name] = fitting(value, fields[name].annotation) if name in fields else value
        except ValueError as error:
            told = PydanticCustomError("value_error", "{problem}", {"problem": str(error)})
            errors.append(InitErrorDetails(type=told, loc=(name,), input=value))
    if errors:
        raise ValidationError.from_exception_data(kind.__name__, errors)
    return values


def fitting(value: Any, annotation: Any) -> Any:
    """Convert `value` to a field's annotation.

    Raises:
        ValueError: it cannot be converted; the field's own constraints are not checked.
    """
    kinds = _kinds(annotation)
    if kinds.anything:
        return core_values(value)
    if isinstance(value, PlainText):
        return _of_text(value, kinds, annotation)
    if isinstance(value, str):
        _check(bool(str in kinds.scalars or kinds.choices or kinds.parts), value, kinds)
        return characters(value)
    if isinstance(value, bool):
        _check(bool(bool in kinds.scalars or True in kinds.choices or kinds.parts), value, kinds)
    elif isinstance(value, int | float):
        _check(bool(kinds.scalars & {int, float} or kinds.choices or kinds.parts), value, kinds)
        _check_size(value)
    elif isinstance(value, bytes):
        _check(False, value, kinds)
    elif isinstance(value, list | tuple):
        return _elements(value, kinds)
    elif isinstance(value, dict):
        inner = next((get_args(part)[1] for part in kinds.parts if get_origin(part) is dict), None)
        return value if inner is None else {key: fitting(item, inner) for key, item in value.items()}
    return value


def _check(fits: bool, value: Any, kinds: _Kinds) -> None:
    if fits:
        return
    quotes = "" if isinstance(value, str | bytes) or kinds.scalars - {type(None)} != {str} else ", in quotes"
    raise ValueError(f"must be {kinds.expected}{quotes}, got {shown(value)}")


def _check_size(value: float) -> None:
    """No integer is larger than what the libraries that compute with it hold."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"must be at most {LARGEST}, got {shown(value)}")


def _of_text(text: PlainText, kinds: _Kinds, annotation: Any) -> Any:
    """The value of a text without quotes; blanks around it count in text alone."""
    word = text.strip()
    if type(None) in kinds.scalars and is_null(word):
        return None
    if bool in kinds.scalars and boolean(word) is not None:
        return boolean(word)
    if kinds.scalars & {int, float}:
        found = number(word) if float in kinds.scalars else _whole(word)
        if found is not None:
            _check_size(found)
            return found
    choice = next((option for option in kinds.choices if word == str(option)), None)
    if choice is not None:
        return choice
    if str in kinds.scalars:
        return characters(str(text))
    if kinds.parts:
        return None if is_null(word) else _of_document(text, annotation)
    if not kinds.choices:
        _check(False, str(text), kinds)
    return str(text)  # no choice of the field, which says what they are


def _whole(text: str) -> int | float | None:
    """An integer, also one that is written as 1e4; any other number as it is, for the field to refuse."""
    found = integer(text)
    other = number(text) if found is None else None
    if isinstance(other, float) and other.is_integer() and abs(other) <= LARGEST:
        return int(other)
    return other if found is None else found


def _of_document(text: str, annotation: Any) -> Any:
    """A list or mapping as it is written in one line; any other text as it is, for the field to refuse."""
    try:
        value = parse_plain_yaml(text, "it")
    except InputError as error:
        raise ValueError(str(error)) from None
    if value is None or isinstance(value, str):  # None is what is left of a comment: null has been told apart before
        return str(text)
    return fitting(value, annotation)


def _elements(values: list[Any] | tuple[Any, ...], kinds: _Kinds) -> Any:
    """The elements of a list, each as the list's annotation takes it."""
    sequence = next((part for part in kinds.parts if get_origin(part) in (list, tuple)), None)
    if sequence is None:
        return [core_values(value) for value in values]
    inner = get_args(sequence)
    several = get_origin(sequence) is tuple and inner[-1] is not Ellipsis
    wanted = inner if several and len(inner) == len(values) else [inner[0]] * len(values)
    return [fitting(value, annotation) for value, annotation in zip(values, wanted, strict=True)]


@cache
def _kinds(annotation: Any) -> _Kinds:
    scalars, choices, parts, anything = set[type](), list[Any](), list[Any](), False
    for member in _members(annotation):
        origin = get_origin(member)
        if origin is Literal:
            choices += get_args(member)
        elif member in (bool, int, float, str, type(None)):
            scalars.add(member)
        elif origin in _CONTAINERS or (isinstance(member, type) and issubclass(member, BaseModel)):
            parts.append(member)
        else:
            anything = True
    return _Kinds(frozenset(scalars), tuple(choices), tuple(parts), anything)


def _members(annotation: Any) -> list[Any]:
    """Return the members of a union, or the annotation itself if it is not one."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [member for argument in get_args(annotation) for member in _members(argument)]
    return [annotation]
