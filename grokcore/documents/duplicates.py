"""Duplicate keys."""

from __future__ import annotations

from collections.abc import Hashable

from grokcore.errors import InputError


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
