"""Show a run as it trains, from a separate thread, so that training never waits for a terminal or a pipe."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from grokcore.data.info import SplitInfo
from grokcore.errors import GrokcoreError, StoppedError, printable
from grokcore.runs.journal import JOURNAL, JournalLine, checked_lines, decode
from grokcore.runs.record import RunRecord, read_head
from grokcore.storage import Store
from grokcore.telemetry.sinks import FAILURES
from grokcore.terminal.facts import RunFacts, dataset_splits
from grokcore.terminal.history import History
from grokcore.terminal.plain import PlainLines
from grokcore.terminal.run_view import run_rows
from grokcore.terminal.screen import Screen
from grokcore.terminal.status import phase_events
from grokcore.terminal.text import Appearance

_FRAME_SECONDS = 0.1
"""Between two frames, at least."""
_TICK_SECONDS = 1.0
"""Between two frames while nothing happens but time going by, or the window changing its size."""
_PATIENCE_SECONDS = 5.0
_AGAIN_SECONDS, _REFRESH_SECONDS = 1.0, 60.0
"""Between two looks at a run's manifest, where it could not be read and where it could."""


class RunDisplay:
    """Shows a run on a stream: a view that is drawn again in its place, or plain lines.

    Attributes:
        lost: whether the stream takes nothing any more.

    Args:
        run: where it lies, or will; what a line of the journal does not tell is read there.
        patience: seconds that `close` waits for a stream that takes nothing, at most.
    """

    def __init__(self, stream: TextIO, run: Store, *, max_steps: int, patience: float = _PATIENCE_SECONDS) -> None:
        self._stream, self._run, self._patience = stream, run, patience
        self._look = Appearance.of(stream)
        self._screen = Screen(stream, color=self._look.color)
        self._plain = PlainLines(max_steps)
        self._head: RunRecord | None = None
        self._dataset: Mapping[str, SplitInfo] = {}
        self._asked = float("-inf")
        self._history = History()
        self._ended: str | None = None
        self.lost = False
        self._changed = threading.Condition()
        self._waiting: deque[Callable[[], list[str]]] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="display", daemon=True)
        self._thread.start()

    def show(self, line: JournalLine) -> None:
        """Show a new line of the journal."""
        self._put(lambda: self._add(line))

    def tell(self, remark: str) -> None:
        """A remark that stays, above the view."""
        self._put(lambda: [f"grokcore: {printable(remark)}"])

    def end(self, reason: str) -> None:
        """Training has ended."""

        def end() -> list[str]:
            self._ended, self._asked = reason, float("-inf")
            return []

        self._put(end)

    def close(self) -> None:
        """Leave the last view standing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(self._patience)

    @contextmanager
    def closed_at_end(self) -> Iterator[None]:
        """Leave the last view standing once the block is done, or was stopped."""
        try:
            yield
        except StoppedError:
            self.end("stopped")
            raise
        finally:
            self.close()

    @property
    def backlog(self) -> int:
        """Lines that wait to be shown."""
        return len(self._waiting)

    def _put(self, item: Callable[[], list[str]]) -> None:
        if not self.lost:
            with self._changed:
                self._waiting.append(item)
                self._changed.notify_all()

    def _work(self) -> None:
        try:
            while not self._show_pending():
                pass
        except Exception as error:
            self.lost = True
            self._waiting.clear()
            FAILURES.count("terminal")
            if not isinstance(error, OSError) and not self._stream.closed:
                raise  # a bug, which threads show with its traceback

    def _show_pending(self) -> bool:
        """Show all that is new; whether it was the last time."""
        with self._changed:
            self._changed.wait_for(
                lambda: bool(self._waiting) or self._closing, timeout=_TICK_SECONDS if self._look.live else None
            )
            closing = self._closing
        begin, above = time.monotonic(), []
        while self._waiting:
            above += self._waiting.popleft()()
            if self._look.live and not closing and time.monotonic() - begin > _FRAME_SECONDS:
                break
        closing = closing and not self._waiting
        above = [printable(text) for text in above]
        if self._look.live:
            self._draw(above)
            if not closing:
                time.sleep(_FRAME_SECONDS)
        else:
            if closing:
                above += self._plain.rest()
            if above:
                self._stream.write("".join(f"{printable(text)}\n" for text in above))
                self._stream.flush()
        return closing

    def _add(self, line: JournalLine) -> list[str]:
        """Take in a line; what stays on the stream because of it."""
        if not self._lines:
            self._history.begin(self._before(line))
        if self._lines and line["splits"].keys() != self._lines[-1]["splits"].keys():
            self._history.begin()  # no run writes such a journal
        again = bool(self._lines) and line["step"] <= self._lines[-1]["step"]
        if again:  # the run went back to a checkpoint
            self._history.cut_back(line["step"])
            self._asked = float("-inf")
        known = self._lines[-1]["phases"] if self._lines else {}
        self._history.add(line)
        if not self._look.live:
            return list(self._plain.of(line, self._facts()))
        fresh = self._screen.began  # of a run that is opened in the middle, the view shows what has been
        return phase_events(known, line["phases"]) if fresh else []

    @property
    def _lines(self) -> list[JournalLine]:
        return self._history.lines

    def _before(self, line: JournalLine) -> list[JournalLine]:
        """Return the journal of a resumed run before its first new line."""
        if line["step"] == 0:
            return []
        place: Any = self._run.uri_of(JOURNAL)
        with suppress(GrokcoreError):
            text = self._run.read(JOURNAL)
            lines = checked_lines(decode(text[: text.rfind(b"\n") + 1], place), place)
            return [known for known in lines if known["step"] < line["step"]]
        return []

    def _ask(self) -> None:
        """Read what is to be known about the run; it may not have been written yet."""
        pause = _AGAIN_SECONDS if self._head is None else _REFRESH_SECONDS
        if time.monotonic() - self._asked > pause:
            self._asked = time.monotonic()
            with suppress(GrokcoreError):
                self._head = read_head(self._run)
                self._dataset = dataset_splits(self._head)

    def _facts(self) -> RunFacts | None:
        if not self._lines:
            return None
        self._ask()
        return RunFacts(self._head, self._lines, self._ended, self._dataset) if self._head else None

    def _draw(self, above: list[str]) -> None:
        facts = self._facts()
        if facts is None:
            self._screen.draw([], above)
            return
        width, height = self._screen.size
        self._screen.draw(run_rows(facts, width, height, now=time.time(), unicode=self._look.unicode), above)
