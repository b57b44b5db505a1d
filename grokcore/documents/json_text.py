"""Strict JSON: no duplicate keys, no lone surrogates."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from grokcore.documents.checks import DuplicateKeyError, characters, check_depth, check_size
from grokcore.errors import InputError

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|[{}\n]')


def parse_json(content: str | bytes, place: str | Path) -> Any:
    """Parse JSON, with errors that name `place`.

    Raises:
        InputError: invalid JSON, not UTF-8, or a duplicate key.
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
    """Parse JSON.

    Args:
        constants: whether to accept Infinity and NaN, which Python writes but JSON lacks.

    Raises:
        DuplicateKeyError: an object has a duplicate key.
        ValueError: invalid JSON, not UTF-8, or beyond a limit.
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
    """Find the first duplicate key in a JSON text, with both lines."""
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
    """Join surrogate pairs in all strings and check keys.

    Raises:
        ValueError: a string or key has a lone surrogate.
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
