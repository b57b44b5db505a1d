"""Checks of untrusted documents in both formats: size and depth, duplicate keys, lone surrogates.

2 kB of YAML can expand to gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from grokcore.errors import InputError

MOST_BYTES = {"YAML": 2**20, "generated YAML": 2**26, "JSON": 2**28}
"""Maximum size by format. Specs and sweeps are YAML; a vocabulary of millions of tokens is JSON."""
MOST_CHARACTERS = 2**22
"""Maximum characters of a YAML document's values with aliases (`*name`) expanded; more for generated YAML."""
MOST_DEPTH = 100

_EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BoundsError(ValueError):
    """A document exceeds a limit."""


def check_size(text: str | bytes, kind: str) -> None:
    """Check the size of a document.

    Raises:
        BoundsError: it is too long.
    """
    if len(text) > MOST_BYTES[kind]:
        raise BoundsError(f"it has {len(text)} bytes, more than {MOST_BYTES[kind]}")


def check_yaml(text: str | bytes, kind: str) -> None:
    """Check size and depth of a YAML document, with its aliases expanded.

    Raises:
        BoundsError: it is too large or nested too deeply.
    """
    check_size(text, kind)
    most, sizes, opened = max(MOST_CHARACTERS, MOST_BYTES[kind]), dict[str, int](), list[tuple[str | None, int]]()
    total = 0
    try:
        for event in yaml.parse(text, _EVENTS):
            before = total
            match event:
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    opened.append((event.anchor, total))
                    total += 2
                    if len(opened) > MOST_DEPTH:
                        raise BoundsError("it is nested too deeply")
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    anchor, before = opened.pop()
                    _remember(anchor, total - before, sizes)
                case yaml.ScalarEvent():
                    total += len(event.value) + 1
                    _remember(event.anchor, total - before, sizes)
                case yaml.AliasEvent():
                    total += sizes.get(event.anchor or "", 1)
            if total > most:
                raise BoundsError(f"with aliases expanded it has more than {most} characters")
    except yaml.YAMLError:
        return  # reported when the document is loaded


def _remember(anchor: str | None, size: int, sizes: dict[str, int]) -> None:
    if anchor is not None:
        sizes[anchor] = size


def check_depth(text: str, value: Any) -> None:
    """Check the depth of a parsed JSON document.

    Raises:
        BoundsError: it is nested too deeply.
    """
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_DEPTH):
        level = [
            item
            for outer in level
            for item in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise BoundsError("it is nested too deeply")


_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def characters(text: str) -> str:
    """Join surrogate pairs, by which JSON escapes an emoji, to characters.

    Raises:
        ValueError: a lone surrogate, which cannot be encoded.
    """
    if _SURROGATE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    alone = _SURROGATE.search(joined)
    if alone is not None:
        raise ValueError(f"\\u{ord(alone[0]):04x} is a lone surrogate, half of a character")
    return joined


class DuplicateKeyError(InputError):
    """A mapping has a key twice; one of the two values would be dropped silently."""

    @classmethod
    def of(cls, key: Hashable, first: int | None = None, second: int | None = None) -> DuplicateKeyError:
        """Compose the error.

        Args:
            first: line of the first occurrence, from 1; None if unknown.
            second: line of the second occurrence.
        """
        text = str(key)
        shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
        lines = "" if first is None else f", in line {first}" + (f" and in line {second}" if second != first else "")
        return cls(f"{shown} is given twice{lines}: keep one of them")
