"""One of many runs that are watched together."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from grokcore.errors import GrokcoreError, InputError
from grokcore.runs.follow import tail_of
from grokcore.runs.journal import check_line
from grokcore.runs.lock import is_being_written
from grokcore.storage import Store
from grokcore.telemetry.progress import phase_events
from grokcore.terminal.facts import About, RunFacts
from grokcore.terminal.history import History

Line = Mapping[str, Any]

_MANIFEST_SECONDS = 5.0
_WRITER_SECONDS = 20.0
_LONGEST_LABEL = 40


class WatchedRun:
    """A run, looked at now and then.

    Attributes:
        place: below what was asked for.
        about: None while its record cannot be read.
        state: `training`, `interrupted` where nobody writes it although it has not ended, `damaged`, or why it ended.
    """

    def __init__(self, run: Store, place: str) -> None:
        self.run, self.place = run, place
        self.about: About | None = None
        self.state = "training"
        self._tail = tail_of(run)
        self._history = History()
        self._asked = self._asked_writer = float("-inf")
        self._problem = ""

    @property
    def facts(self) -> RunFacts | None:
        ended = self.state if self.ended else None
        return RunFacts(self.about, tuple(self._lines), ended) if self.about and self._lines else None

    @property
    def ended(self) -> bool:
        return self.about is not None and self.about.manifest.exit_reason is not None

    @property
    def over(self) -> bool:
        """Whether nothing more will come, as far as can be told."""
        return self.state != "training"

    @property
    def _lines(self) -> list[Line]:
        return self._history.lines

    def look(self) -> list[str]:
        """Read what is new; what has happened, in words. A store that does not answer is asked again another time."""
        try:
            return self._look()
        except GrokcoreError as error:
            if isinstance(error, InputError):
                self.state = "damaged"
            said, self._problem = self._problem, str(error)
            return [] if said == self._problem else [f"! {error}"]

    def _look(self) -> list[str]:
        now = time.monotonic()
        if not self.ended and now - self._asked > _MANIFEST_SECONDS:
            self._asked = now
            self.about = About.read(self.run)
        if self.about is None:
            return []
        before: Mapping[str, Any] = self._lines[-1]["phases"] if self._lines else {}
        news = self._read_part()
        while self._tail.behind:
            news |= self._read_part()
        events = phase_events(before, self._lines[-1]["phases"]) if news else []
        ended = self._settle(now)
        return events + ended

    def _read_part(self) -> bool:
        """Take in a part of what is new in the journal; whether there was any."""
        lines, again = self._tail()
        if again and lines:
            self._history.begin()
        for line in lines:
            check_line(line, self.run.uri)
            if self._lines and line["splits"].keys() != self._lines[-1]["splits"].keys():
                self._history.begin()  # no run writes such a journal
            self._history.add(line)
        return bool(lines)

    def _settle(self, now: float) -> list[str]:
        """What the run's state has come to."""
        before = self.state
        if self.about is not None and self.about.manifest.exit_reason is not None:
            self.state = self.about.manifest.exit_reason
        elif self.state == "damaged" or now - self._asked_writer > _WRITER_SECONDS:
            self._asked_writer = now
            self.state = "training" if is_being_written(self.run) else "interrupted"
        step = self._lines[-1]["step"] if self._lines else 0
        return [f"{self.state} at step {step}"] if self.state != before else []


def labels_of(runs: Sequence[WatchedRun]) -> list[str]:
    """What tells runs apart: their names, the choices they differ in, or else their places."""
    known = [run.about for run in runs]
    choices = [dict(about.manifest.choices) if about else {} for about in known]
    differing = _telling(choices)
    names = [about.manifest.name if about else run.place for about, run in zip(known, runs, strict=True)]
    same_name = len(set(names)) == 1
    labels = []
    for name, found in zip(names, choices, strict=True):
        told = [f"{key.removeprefix('task.')}={found[key]}" for key in differing if key in found]
        labels.append(" ".join(told if same_name and told else [name, *told]))
    if len(set(labels)) == len(labels) and max(map(len, labels), default=0) <= _LONGEST_LABEL:
        return labels
    places = [run.place for run in runs]
    ends = {place.rpartition("/")[2] for place in places}
    if len(ends) == 1 and all("/" in place for place in places):  # as in RUN_ID/local
        places = [place.rpartition("/")[0] for place in places]
    return places


def _telling(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    """As few choices as tell runs apart, the architecture first: what follows from it (heads, tied weights) tells no
    more."""
    differing = [key for key in (choices[0] if choices else {}) if _kinds(choices, [key]) > 1]
    first = [key for key in ("task.kind", "architecture", "seed") if key in differing]
    told: list[str] = []
    for key in (*first, *(key for key in differing if key not in first)):
        if _kinds(choices, [*told, key]) > max(_kinds(choices, told), 1):
            told.append(key)
    return told


def _kinds(choices: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int:
    return len({repr([found.get(key) for key in keys]) for found in choices})
