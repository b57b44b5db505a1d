"""A block of lines at the end of a terminal, drawn again in its place."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from typing import TextIO

from grokcore.terminal.text import Row, clip_row, encode, row_columns

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Between these a terminal that knows them shows nothing half drawn; others ignore them."""
_TO_LINE_END, _TO_SCREEN_END = "\x1b[K", "\x1b[J"


class Screen:
    """Lines that replace those before them; what is written above stays.

    Nothing is cleared before it is written over, so that nothing flickers. Each frame is one write.
    """

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._stream, self._color = stream, color
        self._shown: list[int] = []

    @property
    def began(self) -> bool:
        """Whether there is anything on it."""
        return bool(self._shown)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines that a frame may have."""
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            found = shutil.get_terminal_size((80, 24))
        # A line that fills the last column may wrap, and the cursor needs a line of its own.
        return max(1, (found.columns or 80) - 1), max(1, (found.lines or 24) - 1)

    def draw(self, rows: Sequence[Row], above: Sequence[str] = ()) -> None:
        """Show `rows` in place of the last ones, and above them lines that stay."""
        columns, lines = self.size
        rows = [clip_row(row, columns) for row in rows[:lines]]
        # A terminal that has become narrower has wrapped what was there.
        back = sum(max(1, math.ceil(width / (columns + 1))) for width in self._shown)
        text = _BEGIN + "\r" + (f"\x1b[{min(back, lines)}A" if back else "")
        text += "".join(f"{line}{_TO_LINE_END}\n" for line in above)
        text += "".join(f"{encode(row, color=self._color)}{_TO_LINE_END}\n" for row in rows)
        self._stream.write(text + _TO_SCREEN_END + _END)
        self._stream.flush()
        self._shown = [row_columns(row) for row in rows]
