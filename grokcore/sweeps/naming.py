"""Short names for points, safe as names of files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import JsonValue

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def short_names(fields: Sequence[str]) -> dict[str, str]:
    """The last part of each dotted field, or all of it where several end alike: `values`, `task.seed`."""
    endings = Counter(field.rpartition(".")[2] for field in fields)
    return {field: field if endings[field.rpartition(".")[2]] > 1 else field.rpartition(".")[2] for field in fields}


def value_text(value: JsonValue) -> str:
    """A value as a part of a name: 0.1, true, none, 0.9+0.98 for a list.

    Different values may read alike once what is unsafe in a name is replaced; whoever names points has to look.
    """
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.12g}"
        case list():
            return "+".join(map(value_text, value)) or "empty"
        case dict():
            return "+".join(f"{name}-{value_text(item)}" for name, item in value.items()) or "empty"
        case _:
            return _UNSAFE.sub("_", str(value)) or "empty"


def part(name: str, value: JsonValue) -> str:
    """`values=20`."""
    return f"{name}={value_text(value)}"
