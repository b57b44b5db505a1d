"""JSON that somebody else may have written: no key twice, no half of a character."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from grokcore.documents.bounds import check_depth, check_size
from grokcore.documents.characters import characters
from grokcore.documents.duplicates import DuplicateKeyError
from grokcore.errors import InputError

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|[{}\n]')


def parse_json(content: str | bytes, place: str | Path) -> Any:
    """The value of a JSON text.

    Raises:
        InputError: naming `place`, where it is no JSON, is not UTF-8, or has a key twice.
    """
    try:
        return decode_json(content)
    except DuplicateKeyError as error:
        raise DuplicateKeyError(f"{place}: {error}") from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        raise InputError(
            f"{place} is not valid JSON ({reason}): it is damaged or was not written by grokcore"
        ) from None


def decode_json(content: str | bytes, *, constants: bool = True) -> Any:
    """The value of a JSON text.

    Args:
        constants: whether Infinity and NaN pass, which Python writes and JSON does not have.

    Raises:
        DuplicateKeyError: an object has a key twice.
        ValueError: it is no JSON, not UTF-8, or goes beyond a bound.
        RecursionError: it is nested too deeply.
    """
    check_size(content, "JSON")
    text = content if isinstance(content, str) else content.decode("utf-8-sig")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=None if constants else _refused)
    except DuplicateKeyError as error:
        raise _located(text) or error from None
    check_depth(text, value)
    return _checked(value) if _ESCAPED_SURROGATE.search(text) else value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise DuplicateKeyError.of(next(key for key in keys if keys.count(key) > 1))
    return found


def _located(text: str) -> DuplicateKeyError | None:
    """The error for the first key that an object of a JSON text has twice, with both lines."""
    line, objects = 1, list[dict[str, int]]()
    for token in _TOKEN.finditer(text):
        match token[0][0]:
            case "\n":
                line += 1
            case "{":
                objects.append({})
            case "}" if objects:
                objects.pop()
            case '"' if token[1] is not None and objects:
                key = json.loads(token[0][: -len(token[1])])
                if key in objects[-1]:
                    return DuplicateKeyError.of(key, objects[-1][key], line)
                objects[-1][key] = line
                line += token[1].count("\n")
    return None


def _checked(value: Any) -> Any:
    """
    Raises:
        ValueError: a text or a key in `value` has half of a character.
    """
    if isinstance(value, str):
        return characters(value)
    if isinstance(value, dict):
        for key, item in value.items():
            characters(key)
            _checked(item)
    elif isinstance(value, list):
        for item in value:
            _checked(item)
    return value
