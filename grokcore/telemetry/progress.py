"""Progress of a run in the terminal: one line that rewrites itself, or plain lines where the output is piped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from grokcore.telemetry.journal import decode

Line = Mapping[str, Any]

_CLEAR = "\r\x1b[K"


class Progress:
    """Shows evaluations as they come; a change of phase gets a line that stays."""

    def __init__(self, stream: TextIO, *, max_steps: int, quiet_seconds: float = 1.0) -> None:
        self._stream, self._max_steps, self._quiet_seconds = stream, max_steps, quiet_seconds
        self._live = stream.isatty()
        self._phases: Mapping[str, Any] | None = None
        self._shown_at = float("-inf")
        self._pending: str | None = None

    def show(self, line: Line) -> None:
        """Show one line of the journal."""
        width = shutil.get_terminal_size((100, 24)).columns if self._live else 1000
        text = progress_line(line, self._max_steps, width - 1)
        events = phase_events(self._phases or {}, line["phases"])
        self._phases = line["phases"]
        if self._live:
            self._stream.write(_CLEAR + "".join(f"{event}\n" for event in events) + text)
        else:
            self._pending = text
            if events or time.monotonic() - self._shown_at >= self._quiet_seconds:
                self._write_pending()
                self._stream.writelines(f"{event}\n" for event in events)
        self._stream.flush()

    def close(self) -> None:
        """Leave the terminal with the last line standing."""
        if self._live and self._phases is not None:
            self._stream.write("\n")
        elif self._pending:
            self._write_pending()
        self._stream.flush()

    def _write_pending(self) -> None:
        self._stream.write(f"{self._pending}\n")
        self._shown_at, self._pending = time.monotonic(), None


def progress_line(line: Line, max_steps: int, width: int) -> str:
    """Step, accuracies, rate and time left, as many of them as fit into `width` columns."""
    step, clock = line["step"], line["clock"]
    parts = [f"step {step:>{len(str(max_steps))}}/{max_steps}", f"train {_accuracy(line['train'])}"]
    parts += [
        f"{short_name(split)} {_accuracy(line['splits'][split])}" for split in line["phases"] if split != "memorized"
    ]
    rate = clock.get("steps_per_second")
    if rate:
        parts += [f"{rate:.3g} steps/s", f"{_duration((max_steps - step) / rate)} left"]
    text = parts[0][:width]
    for part in parts[1:]:
        if len(text) + 2 + len(part) > width:
            break
        text += f"  {part}"
    return text


def phase_events(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has become known since the line before, in words."""
    events = []
    memorized = now["memorized"]
    if memorized is not None and before.get("memorized") is None:
        events.append(f"* training set memorised at step {memorized}")
    for split, phases in now.items():
        if split == "memorized":
            continue
        known = before.get(split, {})
        if phases["onset"] is not None and known.get("onset") is None:
            events.append(f"* {split}: generalisation sets in at step {phases['onset']}")
        if phases["grokked"] is not None and known.get("grokked") is None:
            late = f", {phases['grokked'] / memorized:.1f} x the time to memorise" if memorized else ""
            events.append(f"* {split}: sustained at step {phases['grokked']}{late}")
        if phases["collapsed"] is not None and known.get("collapsed") is None:
            events.append(f"* {split}: collapsed at step {phases['collapsed']}")
    return events


def short_name(split: str) -> str:
    return split.removeprefix("test_inferred_")


def follow(journal: Path, finished: Callable[[], bool], *, poll_seconds: float = 0.2) -> Iterator[Line]:
    """Lines of a journal as they are written, until `finished` says that no more will come.

    A journal that is cut back, because its run was resumed, is followed from where it goes on.
    """
    offset, identity, last_step = 0, None, -1
    while True:
        ending = finished()
        try:
            status = journal.stat()
        except OSError:
            status = None
        if status is not None:
            if (status.st_ino != identity and identity is not None) or status.st_size < offset:
                offset = 0
            identity = status.st_ino
            if status.st_size > offset:
                with journal.open("rb") as file:
                    file.seek(offset)
                    text = file.read()
                text = text[: text.rfind(b"\n") + 1]
                replay = offset == 0
                offset += len(text)
                for line in decode(text, journal):
                    if not replay or line["step"] > last_step or last_step < 0:
                        yield line
                        last_step = line["step"]
        if ending:
            return
        time.sleep(poll_seconds)


def _accuracy(values: Mapping[str, float | None]) -> str:
    accuracy = values["accuracy"]
    return " nan" if accuracy is None else f"{accuracy:.3f}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
