"""Text that is not yet a value: what it stands for depends on the field that it goes to."""

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
"""Digits of an integer at most: no field of ours takes a larger one."""


class PlainText(str):
    """Text without quotes in a YAML file, or the value of an override: `2024` is a number or a name.

    The field that it goes to decides. Text that was quoted in a file is a plain `str`.
    """

    __slots__ = ()


def is_null(text: str) -> bool:
    return text in _NULL


def boolean(text: str) -> bool | None:
    """The truth value of a text; None where it is none: yes, no, on and off are words."""
    return True if text in _TRUE else False if text in _FALSE else None


def integer(text: str) -> int | None:
    """The integer that a text stands for; None where it is none.

    Raises:
        ValueError: it has more than MOST_DIGITS digits.
    """
    if _INTEGER.fullmatch(text):
        if len(text.lstrip("+-0")) > MOST_DIGITS:
            raise ValueError(f"a number of {len(text.lstrip('+-0'))} digits is too large")
        return int(text)  # zeros before it change nothing: 010 is ten
    if _BASED.fullmatch(text):
        if len(text) > MOST_DIGITS:
            raise ValueError(f"a number of {len(text) - 2} digits is too large")
        return int(text, 0)
    return None


def number(text: str) -> int | float | None:
    """The number that a text stands for, an int where it has neither point nor exponent; None where it is none.

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
    """What a text without quotes is in YAML 1.2's core schema: null, a boolean, a number, or the text itself.

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
    """`value` with each PlainText in it, at any depth, replaced by its `core_value`.

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
