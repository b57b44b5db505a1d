"""Convert text to parameter values exactly as the form of the Kubeflow UI does.

The form shows every default as text and sends every field as a value of the parameter's type. Its rules are
JavaScript's: a number is what `Number()` reads and is a double, a list or dict is what `JSON.parse` reads. Forms of
Kubeflow Pipelines before 2.5 ask for a value where a default is an empty text, 0 or false; later ones take it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from grokcore.cluster.kubeflow.package import Input, PipelinePackage
from grokcore.documents import DuplicateKeyError, decode_json
from grokcore.errors import InputError, nearest


class _Nothing:
    """Type of the marker for a field that sends no value."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()
"""An empty field of any type but text: the parameter keeps its default."""

LARGEST = 2**53 - 1
"""Largest integer up to which all integers are exact as doubles, the type that parameters are sent as."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BASED = re.compile(r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)", re.ASCII)

_EXPECTED = {
    "STRING": "text",
    "NUMBER_INTEGER": "an integer such as 3",
    "NUMBER_DOUBLE": "a number such as 0.5",
    "BOOLEAN": "true or false",
    "LIST": 'a list in JSON such as ["a", "b"]',
    "STRUCT": 'a dict in JSON such as {"key": "value"}',
}


def text_of(value: Any, type_: str) -> str:
    """Text that the form shows for a value."""
    match type_:
        case "LIST" | "STRUCT":
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case "BOOLEAN":
            return "true" if value else "false"
        case "NUMBER_INTEGER" | "NUMBER_DOUBLE":
            return _number_text(value)
        case _:
            return str(value)


def value_of(text: str, type_: str) -> Any:
    """Value that the form sends for a text.

    Raises:
        ValueError: the form would mark the field as invalid.
    """
    if type_ == "STRING":
        return text
    if text == "":
        return NOTHING
    match type_:
        case "BOOLEAN":
            if text not in ("true", "false"):
                raise ValueError
            return text == "true"
        case "NUMBER_INTEGER":
            number = _number(text)
            if not number.is_integer():
                raise ValueError
            return int(number)
        case "NUMBER_DOUBLE":
            return _number(text)
        case "LIST":
            return _json(text, "[")
        case "STRUCT":
            return _json(text, "{")
    raise ValueError


def filled_in(package: PipelinePackage, entries: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of a run: the entries, and defaults for all other fields.

    Args:
        entries: text by parameter, as typed into the form.

    Raises:
        InputError: an unknown parameter, an entry that the form would refuse, or a missing one.
    """
    inputs = package.inputs
    for name in entries:
        if name not in inputs:
            raise InputError(
                f"{package.name} has no parameter {name!r}: {nearest(name, list(inputs))}it has {', '.join(inputs)}"
            )
    values: dict[str, Any] = {}
    for name, field in inputs.items():
        value = _entered(field, entries[name]) if name in entries else NOTHING
        if value is NOTHING:
            value = _as_sent(field)
        if value is not NOTHING:
            values[name] = value
    return values


def _entered(field: Input, text: str) -> Any:
    try:
        value = value_of(text, field.type)
        blank = field.type != "STRING" and text != "" and not text.strip()
        large = isinstance(value, float | int) and not abs(value) <= LARGEST
        if blank or (large and (field.type == "NUMBER_INTEGER" or math.isinf(value))):
            raise ValueError  # the form reads blanks as 0, and rounds numbers beyond double precision
    except DuplicateKeyError as error:
        raise InputError(f"{field.name}={_briefly(text)}: {error}") from None
    except ValueError:
        raise InputError(f"{field.name}={_briefly(text)}: must be {_EXPECTED[field.type]}") from None
    return value


def _as_sent(field: Input) -> Any:
    """Default of a field as the form sends it; it turns the 0.0 of a compiled package into 0."""
    if field.default is None:
        if field.optional:
            return NOTHING
        raise InputError(f"{field.name} is required: give it with --param {field.name}=VALUE")
    return value_of(text_of(field.default, field.type), field.type)


def _number(text: str) -> float:
    """Parse a number as JavaScript's `Number()` does."""
    stripped = text.strip()
    if stripped == "":
        return 0.0
    if _BASED.fullmatch(stripped):
        return float(int(stripped, 0))
    if _NUMBER.fullmatch(stripped) or stripped in ("Infinity", "+Infinity", "-Infinity"):
        return float(stripped)
    raise ValueError(text)


def _number_text(value: float) -> str:
    """Format a number as JavaScript's `toString()` does."""
    if value == 0:
        return "0"
    if not 1e-6 <= abs(value) < 1e21:
        return re.sub(r"e([+-])0*", r"e\1", repr(float(value)))
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _json(text: str, opening: str) -> Any:
    if not text.strip().startswith(opening):
        raise ValueError(text)
    try:
        return decode_json(text, constants=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _briefly(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
