"""How long, deep and repetitive a text may be: somebody else's 2 kB of YAML can stand for gigabytes."""

from __future__ import annotations

from typing import Any

import yaml

MOST_BYTES = {"YAML": 2**20, "generated YAML": 2**26, "JSON": 2**28}
"""Of a text as it is read. Specs and sweeps are YAML; a vocabulary is JSON, and has millions of tokens at most."""
MOST_CHARACTERS = 2**22
"""Of a YAML text's values once each alias (`*name`) stands for what it names; generated texts may have as many more."""
MOST_DEPTH = 100

_EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BoundsError(ValueError):
    """A text goes beyond a bound."""


def check_size(text: str | bytes, kind: str) -> None:
    """
    Raises:
        BoundsError: it is longer than a text of its kind may be.
    """
    if len(text) > MOST_BYTES[kind]:
        raise BoundsError(f"it has {len(text)} bytes, at most {MOST_BYTES[kind]} are read")


def check_yaml(text: str | bytes, kind: str) -> None:
    """Make sure that a YAML text's values, its aliases expanded, are no more than can be written out.

    Raises:
        BoundsError: they are more, or nested too deeply.
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
                raise BoundsError(f"with its aliases written out it has more than {most} characters")
    except yaml.YAMLError:
        return  # whoever loads the text says what is wrong


def _remember(anchor: str | None, size: int, sizes: dict[str, int]) -> None:
    if anchor is not None:
        sizes[anchor] = size


def check_depth(text: str, value: Any) -> None:
    """Make sure that a JSON text's value is not nested too deeply for those who go through it.

    Raises:
        BoundsError: it is.
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
