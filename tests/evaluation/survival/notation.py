"""Times in the notation of the field."""

from __future__ import annotations

from grokcore.evaluation.survival import Reached


def times(text: str) -> list[Reached]:
    """`10 20+` as a time of 10 steps and one censored at 20."""
    return [Reached(int(part.rstrip("+")), part.endswith("+")) for part in text.split()]
