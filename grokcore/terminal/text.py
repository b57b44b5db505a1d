"""Lines made of parts in a few styles, and the capabilities of the stream that shows them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TextIO

from grokcore.errors import printable

Style = Literal["plain", "bold", "dim", "red", "green", "yellow", "cyan"]

_CODES: Mapping[Style, str] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Part(NamedTuple):
    """A piece of a line."""

    text: str
    style: Style = "plain"


Row = tuple[Part, ...]
"""One line of a view."""


@dataclass(frozen=True)
class Appearance:
    """The capabilities of a stream.

    Attributes:
        live: it is a terminal that can be drawn in place; otherwise it gets plain lines.
        color: escape codes for colors are welcome.
        unicode: it has block elements.
    """

    live: bool
    color: bool
    unicode: bool

    @classmethod
    def of(cls, stream: TextIO) -> Appearance:
        """By the stream, its encoding, `TERM` and `NO_COLOR` (no-color.org)."""
        live = stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        return cls(live, live and not os.environ.get("NO_COLOR"), _has_blocks(stream.encoding))


def _has_blocks(encoding: str | None) -> bool:
    try:
        "▁█━─·…".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def columns(text: str) -> int:
    """Count the terminal columns of a text."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(character) for character in text)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clip(text: str, width: int, *, ellipsis: str = "…") -> str:
    """At most `width` columns of a text, in one printable line."""
    text = printable(text)
    if columns(text) <= width:
        return text
    kept, room = "", width - len(ellipsis)
    for character in text:
        room -= _columns_of(character)
        if room < 0:
            break
        kept += character
    return (kept + ellipsis)[:width] if width > 0 else ""


def row_columns(row: Iterable[Part]) -> int:
    return sum(columns(part.text) for part in row)


def clip_row(row: Iterable[Part], width: int) -> Row:
    """The parts of a line that fit into `width` columns, the last of them cut."""
    kept: list[Part] = []
    for part in row:
        room = width - row_columns(kept)
        if room <= 0:
            break
        kept.append(Part(clip(part.text, room, ellipsis=""), part.style))
    return tuple(kept)


def flow(parts: Sequence[Sequence[Part]], width: int, *, gap: str = "   ", indent: str = "") -> Iterator[Row]:
    """Lines of things side by side, as many as there is room for on each."""
    row: list[Part] = []
    for part in parts:
        if row and row_columns(row) + len(gap) + row_columns(part) > width:
            yield clip_row(row, width)
            row = [Part(indent)]
        row += [Part(gap), *part] if row and row != [Part(indent)] else part
    if row:
        yield clip_row(row, width)


def encode(row: Row, *, color: bool) -> str:
    """A line as it is written."""
    row = tuple(Part(printable(part.text), part.style) for part in row)
    if not color:
        return "".join(part.text for part in row).rstrip()
    return "".join(
        f"\x1b[{_CODES[part.style]}m{part.text}\x1b[0m" if part.style in _CODES and part.text.strip() else part.text
        for part in row
    )
