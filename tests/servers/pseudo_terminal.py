"""A pseudo-terminal with a small terminal behind it: what a person would see of a program."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from tests.support.checks import PATIENCE

_TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|([^\x1b])", re.DOTALL)


class Emulator:
    """As much of a terminal as the views use: text, line ends, moving up, erasing, colors, wrapping.

    Attributes:
        scrolled: lines that have left the window at its top.
        raw: all that was written.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.grid: list[str] = [""]
        self.line = self.column = 0
        self.scrolled: list[str] = []
        self.raw = ""
        self._rest = ""

    def feed(self, text: str) -> None:
        self.raw += text
        text = self._rest + text
        end = 0
        for token in _TOKEN.finditer(text):
            if token.start() != end:
                break
            end = token.end()
            argument, command, character = token.groups()
            if character is not None:
                self._character(character)
            elif command == "A":
                self.line = max(0, self.line - int(argument or 1))
            elif command == "K":
                self._put(self.grid[self.line][: self.column])
            elif command == "J":
                self._put(self.grid[self.line][: self.column])
                del self.grid[self.line + 1 :]
            else:
                assert command in "mhl", token.group()
        self._rest = text[end:]

    def _character(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.line, self.column = self.line + 1, 0
        else:
            if self.column == self.columns:
                self.line, self.column = self.line + 1, 0
            self._room()
            text = self.grid[self.line].ljust(self.column)
            self._put(text[: self.column] + character + text[self.column + 1 :])
            self.column += 1
        self._room()

    def _room(self) -> None:
        while len(self.grid) <= self.line:
            self.grid.append("")
        while len(self.grid) > self.lines:
            self.scrolled.append(self.grid.pop(0))
            self.line -= 1

    def _put(self, text: str) -> None:
        self.grid[self.line] = text

    def resize(self, columns: int, lines: int) -> None:
        """Wrap what is there anew, as most terminals do."""
        wrapped: list[str] = []
        for number, text in enumerate(self.grid):
            if number == self.line:
                cursor = len(wrapped)
            wrapped += [text[at : at + columns] for at in range(0, len(text), columns)] or [""]
        self.grid, self.line, self.columns, self.lines = wrapped, cursor, columns, lines
        self._room()

    @property
    def shown(self) -> list[str]:
        return [text.rstrip() for text in self.grid]


def _as_in_a_shell() -> None:
    """Tests that a script has put into the background ignore Ctrl-C, and so would the program."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class PseudoTerminal:
    """A program that runs in a terminal of a size."""

    def __init__(
        self, command: Sequence[str], *, columns: int = 80, lines: int = 24, environment: dict[str, str] | None = None
    ) -> None:
        self.screen = Emulator(columns, lines)
        self._main, side = pty.openpty()
        self._set_size(columns, lines)
        base = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            command,
            stdin=side,
            stdout=side,
            stderr=side,
            env={**base, "TERM": "xterm-256color", "PYTHONUTF8": "1", **(environment or {})},
            start_new_session=True,
            preexec_fn=_as_in_a_shell,
        )
        os.close(side)
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        os.close(self._main)

    def _read(self) -> None:
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                content = os.read(self._main, 65536)
            except OSError:  # the program has gone
                return
            with self._lock:
                self.screen.feed(decoder.decode(content))

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        with self._lock:
            self._set_size(columns, lines)
            self.screen.resize(columns, lines)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def wait(self, condition: Callable[[list[str]], bool], seconds: float = PATIENCE) -> list[str]:
        """What is shown once the condition holds."""
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                shown = self.screen.shown
            if condition(shown):
                return shown
            assert time.monotonic() < deadline, "\n".join(shown)
            time.sleep(0.02)

    def end(self, seconds: float = PATIENCE) -> list[str]:
        """What is left on the screen when the program has ended."""
        self.process.wait(seconds)
        self._reader.join(PATIENCE)
        return self.screen.shown


def grokcore(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "grokcore", *arguments]
