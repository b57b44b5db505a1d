"""Progress of a run as text: a line for each phase that begins, and a status line.

The status line is rewritten in place in a terminal, and printed now and then to a pipe.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from grokcore.errors import printable
from grokcore.runs.journal import JournalLine


def progress_line(line: JournalLine, max_steps: int, width: int) -> str:
    """Format step, accuracies, rate and time left, as many of them as fit into `width` columns."""
    step, clock = line["step"], line["clock"]
    parts = [f"step {step:>{len(str(max_steps))}}/{max_steps}", f"train {accuracy_text(line['train']['accuracy'])}"]
    parts += [
        f"{short_name(split)} {accuracy_text(line['splits'][split]['accuracy'])}"
        for split in line["phases"]
        if split != "memorized"
    ]
    rate = clock.get("steps_per_second")
    if rate:
        parts += [rate_text(rate), f"{duration((max_steps - step) / rate)} left"]
    return fitting(parts, width)


def fitting(parts: Sequence[str], width: int) -> str:
    """Join as many of the parts as fit into `width` columns."""
    text = parts[0][:width]
    for part in parts[1:]:
        if len(text) + 2 + len(part) > width:
            break
        text += f"  {part}"
    return text


def phase_events(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe the phases that `now` has and `before` had not, a line each."""
    events = []
    memorized = now["memorized"]
    if memorized is not None and before.get("memorized") is None:
        events.append(f"* training set memorized at step {memorized}")
    for split, phases in now.items():
        if split == "memorized":
            continue
        known = before.get(split, {})
        if phases["onset"] is not None and known.get("onset") is None:
            events.append(f"* {split}: generalization sets in at step {phases['onset']}")
        if phases["sustained"] is not None and known.get("sustained") is None:
            late = f", {phases['sustained'] / memorized:.1f} x the time to memorize" if memorized else ""
            events.append(f"* {split}: sustained at step {phases['sustained']}{late}")
        if phases["collapsed"] is not None and known.get("collapsed") is None:
            events.append(f"* {split}: collapsed at step {phases['collapsed']}")
    return events


def short_name(split: str) -> str:
    return split.removeprefix("test_inferred_")


def accuracy_text(accuracy: float | None) -> str:
    return " nan" if accuracy is None else f"{accuracy:.3f}"


def rate_text(steps_per_second: float) -> str:
    return f"{steps_per_second:.3g} steps/s" if steps_per_second < 1000 else f"{steps_per_second:.0f} steps/s"


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


_CLEAR = "\r\x1b[K"


class StatusLine:
    """A status line with permanent lines above it."""

    def __init__(self, stream: TextIO, *, quiet_seconds: float) -> None:
        self._stream, self._quiet_seconds = stream, quiet_seconds
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._shown_at = float("-inf")
        self._text: str | None = None
        self._pending = False

    @property
    def rested(self) -> bool:
        """Whether the last line to a pipe is old enough for another one."""
        return time.monotonic() - self._shown_at >= self._quiet_seconds

    def show(self, text_within: Callable[[int], str], events: Sequence[str], *, due: bool) -> None:
        """Show the present status.

        Args:
            text_within: the line for a number of columns.
            events: permanent lines.
            due: whether a pipe gets the line; a terminal always does.
        """
        events = [printable(event) for event in events]
        if self._live:
            self._text = text_within(shutil.get_terminal_size((100, 24)).columns - 1)
            self._stream.write(_CLEAR + "".join(f"{event}\n" for event in events) + self._text)
        else:
            self._text, self._pending = text_within(999), True
            if due:
                self._write_pending()
            self._stream.writelines(f"{event}\n" for event in events)
        self._stream.flush()

    def tell(self, *events: str) -> None:
        """Print permanent lines and keep the status."""
        events = tuple(printable(event) for event in events)
        if self._live:
            self._stream.write(_CLEAR + "".join(f"{event}\n" for event in events) + (self._text or ""))
        else:
            self._stream.writelines(f"{event}\n" for event in events)
        self._stream.flush()

    def close(self) -> None:
        """Leave the last status line in place."""
        if self._live and self._text is not None:
            self._stream.write("\n")
        elif self._pending:
            self._write_pending()
        self._stream.flush()

    def _write_pending(self) -> None:
        self._stream.write(f"{self._text}\n")
        self._shown_at, self._pending = time.monotonic(), False
