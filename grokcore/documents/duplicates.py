"""Keys that a mapping has twice."""

from __future__ import annotations

from collections.abc import Hashable

from grokcore.errors import InputError


class DuplicateKeyError(InputError):
    """A mapping has a key twice, so that one of the two settings would be dropped without a word."""

    @classmethod
    def of(cls, key: Hashable, first: int | None = None, second: int | None = None) -> DuplicateKeyError:
        """
        Args:
            first: number of the line that has the key first, from 1 on; None where it is not known.
            second: number of the line that has it again.
        """
        text = str(key)
        shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
        lines = "" if first is None else f", in line {first}" + (f" and in line {second}" if second != first else "")
        return cls(f"{shown} is given twice{lines}: keep one of them")
