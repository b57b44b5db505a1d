"""Unquoted text, whose type is decided by the field that it is assigned to."""

from __future__ import annotations

import re
from typing import Any

_NULL = ("", "~", "null", "Null", "NULL")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

MOST_DIGITS = 1000
"""Maximum digits of an integer; no field accepts a larger one."""


class PlainText(str):
    """Unquoted text in YAML, or the value of an override: `2024` may be a number or a name.

    The type of the field decides. Quoted text is a `str`.
    """

    __slots__ = ()


def is_null(text: str) -> bool:
    return text in _NULL


def boolean(text: str) -> bool | None:
    """Parse a boolean; None for other text, including yes, no, on and off."""
    return True if text in _TRUE else False if text in _FALSE else None


def integer(text: str) -> int | None:
    """Parse an integer; None for other text.

    Raises:
        ValueError: it has more than MOST_DIGITS digits.
    """
    if _INTEGER.fullmatch(text):
        if len(text.lstrip("+-0")) > MOST_DIGITS:
            raise ValueError(f"a number of {len(text.lstrip('+-0'))} digits is too large")
        return int(text)  # leading zeros are ignored: 010 is ten
    if _BASED.fullmatch(text):
        if len(text) > MOST_DIGITS:
            raise ValueError(f"a number of {len(text) - 2} digits is too large")
        return int(text, 0)
    return None


def number(text: str) -> int | float | None:
    """Parse a number, an int if it has neither point nor exponent; None for other text.

    Raises:
        ValueError: it has more than MOST_DIGITS digits.
    """
    whole = integer(text)
    if whole is not None:
        return whole
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "", 1)) if _SPECIAL.fullmatch(text) else None


def core_value(text: str) -> Any:
    """Value of unquoted text in YAML 1.2's core schema: null, a boolean, a number, or the text itself.

    Raises:
        ValueError: it is a number of more than MOST_DIGITS digits.
    """
    if is_null(text):
        return None
    truth = boolean(text)
    if truth is not None:
        return truth
    value = number(text)
    return str(text) if value is None else value


def core_values(value: Any) -> Any:
    """Replace each PlainText in `value`, at any depth, by its `core_value`.

    Raises:
        ValueError: as `core_value`.
    """
    if isinstance(value, PlainText):
        return core_value(value)
    if isinstance(value, dict):
        return {key: core_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [core_values(item) for item in value]
    return value
