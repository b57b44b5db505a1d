"""The lines of a journal that a view needs: all of a short one, of a long one those that show its curves."""

from __future__ import annotations

from collections.abc import Callable

from grokcore.runs.journal import JournalLine

MOST_LINES = 4000
"""Kept at most. A terminal has a few hundred columns."""
_RECENT_LINES = 500
"""The last ones, all of which are kept."""


class History:
    """Lines in their order, thinned as they become many.

    Attributes:
        lines: what is kept. Of each stretch of older ones: the first, those where an accuracy is lowest and highest, so
            that no peak and no collapse is lost, and those with which a phase is on record.
    """

    def __init__(self) -> None:
        self.lines: list[JournalLine] = []

    def add(self, line: JournalLine) -> None:
        self.lines.append(line)
        if len(self.lines) > MOST_LINES:
            old, recent = self.lines[:-_RECENT_LINES], self.lines[-_RECENT_LINES:]
            self.lines = [*_thinned(old), *recent]

    def cut_back(self, step: int) -> None:
        """Forget lines from a step on."""
        self.lines = [line for line in self.lines if line["step"] < step]

    def begin(self, lines: list[JournalLine] | tuple[JournalLine, ...] = ()) -> None:
        """Forget all lines, and keep these."""
        self.lines = []
        for line in lines:
            self.add(line)


def _thinned(lines: list[JournalLine]) -> list[JournalLine]:
    watched = [name for name in lines[0]["phases"] if name != "memorized"]
    stretch = 2 * (3 + 2 * len(watched))
    kept = {0}
    for begin in range(0, len(lines), stretch):
        places = range(begin, min(begin + stretch, len(lines)))
        kept.add(begin)
        for split in (None, *watched):
            accuracy = _accuracy_at(lines, split)
            kept.update((min(places, key=accuracy), max(places, key=accuracy)))
        kept.update(place for place in places if place and lines[place]["phases"] != lines[place - 1]["phases"])
    return [lines[place] for place in sorted(kept)]


def _accuracy_at(lines: list[JournalLine], split: str | None) -> Callable[[int], float]:
    def accuracy(place: int) -> float:
        line = lines[place]
        measure = line["train"] if split is None else line["splits"].get(split, {})
        return measure.get("accuracy") or 0.0

    return accuracy
