"""Times in the notation of the field."""

from __future__ import annotations

from grokcore.evaluation.survival import EventTime


def times(text: str) -> list[EventTime]:
    """`10 20+` as a time of 10 steps and one censored at 20."""
    return [EventTime(int(part.rstrip("+")), part.endswith("+")) for part in text.split()]
