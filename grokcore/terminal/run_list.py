"""Many runs, a line each.

3 runs: 1 training, 2 ended                                    step 1 to 3,500
model.architecture gpt2, seed 0    grokked     100%  ▁▁▁▂▂▃▄▅▇███████  0.994 ood
model.architecture llama, seed 0   rising       52%  ▁▁▁▁▁▂▂▃▃▄        0.412 ood  7:40 left
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

from grokcore.data.info import SplitInfo
from grokcore.errors import GrokcoreError, InputError, TransientError, printable
from grokcore.runs.follow import tail_of
from grokcore.runs.groups import NameForm, run_names
from grokcore.runs.journal import JournalLine, check_line
from grokcore.runs.lock import is_being_written
from grokcore.runs.manifest import files_by_run, not_a_run
from grokcore.runs.record import RunRecord, read_head
from grokcore.storage import CONCURRENT_READS, Store
from grokcore.terminal.curves import Axis, draw, sample
from grokcore.terminal.facts import Phase, RunFacts, SplitFacts, dataset_splits
from grokcore.terminal.history import History
from grokcore.terminal.run_view import STYLES, colored, styles_of
from grokcore.terminal.screen import Screen
from grokcore.terminal.status import accuracy_text, duration, phase_events, short_name
from grokcore.terminal.text import Appearance, Part, Row, Style, clip, clip_row, columns, encode, row_columns

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


def names_of(runs: Sequence[WatchedRun], room: int | None = None) -> list[str]:
    """Name runs as every view does; by their places where a spec cannot be read, or two are copies of one run.

    Args:
        room: columns of the longest name, if they are few: names are written shorter until all fit, down to the values
            that tell the runs apart.
    """
    names = full = _names(runs, "full")
    forms: tuple[NameForm, ...] = ("short", "values")
    for form in forms:
        if room is None or max(map(columns, names), default=0) <= room:
            break
        shorter = _names(runs, form)
        if len(set(shorter)) == len(set(full)):
            names = shorter
    return names


def _names(runs: Sequence[WatchedRun], form: NameForm) -> list[str]:
    specs = [run.head.spec for run in runs if run.head is not None]
    known = iter(run_names(specs, form))
    names = [run.place if run.head is None else next(known) for run in runs]
    counts = Counter(names)
    return [name if counts[name] == 1 else run.place for name, run in zip(names, runs, strict=True)]


_SECONDS, _SECONDS_REMOTE = 1.0, 5.0
"""Between two looks at the runs, in directories and where each costs money."""
_FIND_SECONDS, _FIND_SECONDS_REMOTE = 10.0, 60.0
"""Between two searches for new runs."""
_REACHED: dict[Phase, int] = {"generalized": 3, "grokked": 3, "rising": 2, "collapsed": 1}
"""Progress of a held-out split by phase; 0 for other phases."""
_PIPED_WIDTH = 120
_WIDE = 60
"""Columns from which there is room for more than label, phase, curve and accuracy."""
_LEFT_COLUMNS, _LEFT_FROM = 14, 90
"""Columns of the time left, and the width from which its column is kept free, so that the curves line up."""


class RunList:
    """All runs below some places."""

    def __init__(self, places: Sequence[Store], stream: TextIO) -> None:
        self._places, self._stream = places, stream
        self._look = Appearance.of(stream)
        self._screen = Screen(stream, color=self._look.color)
        self._remote = any(place.directory is None for place in places)
        self._runs: dict[str, WatchedRun] = {}

    def follow(self, *, seconds: float | None = None, find_seconds: float | None = None) -> None:
        """Show the runs until none is being trained any more.

        Args:
            seconds: between two looks.
            find_seconds: between two searches for new runs.

        Raises:
            InputError: there is no run at one of the places, or it may not be read.
            TransientError: the first search was not answered.
        """
        pause = seconds if seconds is not None else _SECONDS_REMOTE if self._remote else _SECONDS
        search = find_seconds if find_seconds is not None else _FIND_SECONDS_REMOTE if self._remote else _FIND_SECONDS
        found, idle = self._find(), False
        began = False
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            while True:
                runs = list(self._runs.values())
                news = list(pool.map(WatchedRun.look, runs))
                self._show(runs, news if began else [[text for text in told if text.startswith("!")] for told in news])
                began = True
                over = all(run.over for run in runs)
                if over and (idle or all(run.ended for run in runs)):  # a queue may be between two of its runs
                    break
                time.sleep(pause)
                if time.monotonic() - found >= search:
                    idle = over
                    found = self._find()
                    idle = idle and len(self._runs) == len(runs)
        if not self._look.live:
            self._write([encode(row, color=False) for row in self.rows(_PIPED_WIDTH, 10**6)])

    def _find(self) -> float:
        """Take in runs that have come since; when that was."""
        for place in self._places:
            try:
                runs = files_by_run(place.files())
            except TransientError:
                if not self._runs:
                    raise
                continue
            if not runs and not self._runs:
                raise not_a_run(place, searched=True)
            for key in runs:
                run = place.child(key) if key else place
                label = key or place.uri.rstrip("/").rpartition("/")[2]
                self._runs.setdefault(run.uri, WatchedRun(run, label))
        return time.monotonic()

    def _show(self, runs: Sequence[WatchedRun], news: Sequence[Sequence[str]]) -> None:
        labels = names_of(runs)
        above = [
            f"{label}: {text.removeprefix('* ')}" for label, texts in zip(labels, news, strict=True) for text in texts
        ]
        if self._look.live:
            self._screen.draw(self.rows(*self._screen.size), above)
        else:
            self._write(above)

    def _write(self, lines: Sequence[str]) -> None:
        self._stream.writelines(f"{printable(line)}\n" for line in lines)
        self._stream.flush()

    def rows(self, width: int, height: int) -> list[Row]:
        """Return the table; where space is short, runs in training come before ended ones."""
        runs = list(self._runs.values())
        most = max(8, width // 3 if width >= _WIDE else width // 2)
        labels = names_of(runs, most)
        counts = Counter(_group(run) for run in runs)
        head = f"{len(runs)} run{'s' * (len(runs) != 1)}: " + ", ".join(f"{n} {state}" for state, n in counts.items())
        shown = list(range(len(runs)))
        if len(runs) > height - 1:
            shown = sorted(shown, key=lambda place: runs[place].over)[: max(0, height - 2)]
        label = min(max(map(columns, labels), default=0), most)
        rows: list[Row] = [(Part(head, "bold"),)]
        rows += [self._row(runs[place], labels[place], label, width) for place in sorted(shown)]
        if len(shown) < len(runs):
            rows.append((Part(f"and {len(runs) - len(shown)} more", "dim"),))
        return [clip_row(row, width) for row in rows[:height]]

    def _row(self, run: WatchedRun, label: str, width_of_label: int, width: int) -> Row:
        unicode = self._look.unicode
        name = clip(label, width_of_label, ellipsis="…" if unicode else "~")
        parts = [Part(name + " " * (width_of_label - columns(name)) + "  ")]
        facts = run.facts
        if facts is None:
            return (*parts, Part(run.state if run.over else "no evaluation yet", "dim"))
        split = hardest(facts)
        state, style = _state(run, split)
        parts.append(Part(f"{state:<11}", style))
        tail = f"  {accuracy_text(split.accuracy):>5}"
        if width >= _WIDE:
            parts.append(Part(f" {int(100 * facts.step / facts.max_steps):>3}%"))
            tail += f" {clip(short_name(split.name), 12, ellipsis='')}"
        parts.append(Part("  "))
        left = "" if facts.seconds_left is None else f"  {duration(facts.seconds_left)} left"
        room = width - row_columns(parts) - columns(tail)
        if room - columns(left) < 12:
            left = ""
        room -= _LEFT_COLUMNS if left or width > _LEFT_FROM else 0
        axis = Axis.up_to(facts.step if run.ended else facts.max_steps, max(4, min(60, room)))
        cells = sample(split.curve, facts.steps, axis)
        line = draw(cells, threshold=facts.run.spec.evaluation.threshold, unicode=unicode)[0]
        return (*parts, *colored(line, styles_of(split, axis)), Part(tail), Part(left, "dim"))


def hardest(facts: RunFacts) -> SplitFacts:
    """The held-out split that is furthest from having been learned, the last of several; or else the training set."""
    return min(reversed(facts.splits[1:] or facts.splits), key=lambda split: _REACHED.get(split.phase, 0))


def _group(run: WatchedRun) -> str:
    return "ended" if run.ended else run.state


def _state(run: WatchedRun, split: SplitFacts) -> tuple[str, Style]:
    """The phase; or what is wrong with the run."""
    if run.state in ("diverged", "damaged"):
        return run.state, "red"
    if run.state in ("interrupted", "stopped"):
        return run.state, "yellow"
    return split.phase, STYLES[split.phase]
