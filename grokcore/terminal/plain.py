"""A run as plain lines, where output is piped or the terminal cannot be drawn on: what is worth telling, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grokcore.runs.journal import JournalLine
from grokcore.terminal.facts import RunFacts
from grokcore.terminal.status import phase_events, progress_line

_WIDE = 999
_MOVED = 0.02
_LATER = 1.1
_SECONDS = 60.0


class PlainLines:
    """Chooses from the lines of a journal, whether they come live or all at once."""

    def __init__(self, max_steps: int) -> None:
        self._max_steps = max_steps
        self._told: JournalLine | None = None
        self._pending: JournalLine | None = None
        self._phases: Mapping[str, Any] = {}
        self._warned: set[str] = set()

    def of(self, line: JournalLine, facts: RunFacts | None) -> Iterator[str]:
        """Yield the text for a new line; `facts` are those of the run up to there, if known."""
        events = phase_events(self._phases, line["phases"])
        self._phases, self._pending = line["phases"], line
        if events or self._told is None or worth_telling(self._told, line):
            yield from self.rest()
            yield from events
            if facts is not None:
                yield from self._warnings(facts)

    def rest(self) -> Iterator[str]:
        """The last line, if it has not been told."""
        if self._pending is not None:
            self._told, self._pending = self._pending, None
            yield progress_line(self._told, self._max_steps, _WIDE)

    def _warnings(self, facts: RunFacts) -> Iterator[str]:
        for split, kind, text in facts.remarks:
            if (key := f"{kind} {split}") not in self._warned and kind != "collapsed":  # a change of phase is told
                self._warned.add(key)
                yield f"! {text}"


def worth_telling(told: JournalLine, line: JournalLine) -> bool:
    """Whether a line says something that the last one which was told does not.

    It does where an accuracy has moved, after a tenth of the steps so far, and after a minute of training: so a long
    run gets some hundred lines, and whoever waits is not left alone.
    """
    before, now = _accuracies(told), _accuracies(line)
    moved = any(abs((now[name] or 0.0) - (before.get(name) or 0.0)) >= _MOVED for name in now)
    spent = line["clock"].get("elapsed_seconds", 0.0) - told["clock"].get("elapsed_seconds", 0.0)
    return bool(moved or line["step"] >= _LATER * told["step"] or spent >= _SECONDS)


def _accuracies(line: JournalLine) -> dict[str, float | None]:
    watched = [name for name in line["phases"] if name != "memorized"]
    return {"": line["train"]["accuracy"], **{name: line["splits"][name]["accuracy"] for name in watched}}
