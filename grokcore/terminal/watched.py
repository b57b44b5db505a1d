"""One of many runs that are watched together: its journal, and its state."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from grokcore.data.info import SplitInfo
from grokcore.errors import GrokcoreError, InputError
from grokcore.runs.follow import tail_of
from grokcore.runs.groups import run_names
from grokcore.runs.journal import JournalLine, check_line
from grokcore.runs.lock import is_being_written
from grokcore.runs.record import RunRecord, read_head
from grokcore.storage import Store
from grokcore.telemetry.progress import phase_events
from grokcore.terminal.facts import RunFacts, dataset_splits
from grokcore.terminal.history import History

_MANIFEST_SECONDS = 5.0
_WRITER_SECONDS = 20.0


class WatchedRun:
    """A run, looked at now and then.

    Attributes:
        place: below what was asked for.
        head: its spec and manifest; None while they cannot be read.
        state: `training`, `interrupted` where nobody writes it although it has not ended, `damaged`, or why it ended.
    """

    def __init__(self, run: Store, place: str) -> None:
        self.run, self.place = run, place
        self.head: RunRecord | None = None
        self._dataset: Mapping[str, SplitInfo] = {}
        self.state = "training"
        self._tail = tail_of(run)
        self._history = History()
        self._asked = self._asked_writer = float("-inf")
        self._problem = ""

    @property
    def facts(self) -> RunFacts | None:
        ended = self.state if self.ended else None
        return RunFacts(self.head, tuple(self._lines), ended, self._dataset) if self.head and self._lines else None

    @property
    def ended(self) -> bool:
        return self.head is not None and self.head.manifest.exit_reason is not None

    @property
    def over(self) -> bool:
        """Whether nothing more will come, as far as can be told."""
        return self.state != "training"

    @property
    def _lines(self) -> list[JournalLine]:
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
            self.head = read_head(self.run)
            self._dataset = self._dataset or dataset_splits(self.head)
        if self.head is None:
            return []
        before: Mapping[str, Any] = self._lines[-1]["phases"] if self._lines else {}
        news = self._read_part()
        while self._tail.behind:
            news |= self._read_part()
        events = phase_events(before, self._lines[-1]["phases"]) if news else []
        ended = self._update_state(now)
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

    def _update_state(self, now: float) -> list[str]:
        """Update the state of the run, and return a line if it has changed."""
        before = self.state
        if self.head is not None and self.head.manifest.exit_reason is not None:
            self.state = self.head.manifest.exit_reason
        elif self.state == "damaged" or now - self._asked_writer > _WRITER_SECONDS:
            self._asked_writer = now
            self.state = "training" if is_being_written(self.run) else "interrupted"
        step = self._lines[-1]["step"] if self._lines else 0
        return [f"{self.state} at step {step}"] if self.state != before else []


def names_of(runs: Sequence[WatchedRun]) -> list[str]:
    """Name runs as every view does; by their places where a spec cannot be read, or two are copies of one run."""
    specs = [run.head.spec for run in runs if run.head is not None]
    known = iter(run_names(specs))
    names = [run.place if run.head is None else next(known) for run in runs]
    counts = Counter(names)
    return [name if counts[name] == 1 else run.place for name, run in zip(names, runs, strict=True)]
