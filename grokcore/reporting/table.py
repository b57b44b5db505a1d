"""Tables as the page shows them: sections of rows of cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grokcore.reporting.formatting import NOTHING, flops, setting


@dataclass(frozen=True)
class Cell:
    """What a cell says, and smaller below it what belongs to that."""

    text: str
    note: str = ""
    muted: bool = False


@dataclass(frozen=True)
class Row:
    head: str
    cells: list[Cell]
    note: str = ""
    differs: bool = False


@dataclass(frozen=True)
class Section:
    title: str
    rows: list[Row]
    note: str = ""


@dataclass(frozen=True)
class Table:
    caption: str
    columns: list[str]
    sections: list[Section]
    numeric: bool = True


def known(text: str) -> Cell:
    return Cell(text, muted=text == NOTHING)


_NARROWEST = 16
"""Characters that the narrowest column has room for."""


def note_of(parts: Iterable[str]) -> str:
    """Parts side by side; a line may end between them, and inside one only where that is too long for a line."""
    return " · ".join(part.replace(" ", "\u00a0") if len(part) <= _NARROWEST else part for part in parts)


def settings_section(
    title: str,
    columns: Sequence[Mapping[str, Any]],
    *,
    groups: Sequence[Sequence[int]],
    compute: Sequence[str] = (),
    compare: bool = True,
) -> Section:
    """A row per setting of the runs in `columns`, a cell per group of them; rows that differ come first."""
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = []
    for key in keys:
        texts = [
            NOTHING
            if key not in column
            else flops(column[key])
            if key in compute
            else setting(column[key], f"{title} {key}".lower())
            for column in columns
        ]
        differs = compare and len(set(texts)) > 1
        cells = [known(", ".join(dict.fromkeys(texts[place] for place in group))) for group in groups]
        rows.append(Row(key, cells, differs=differs))
    return Section(title, sorted(rows, key=lambda row: not row.differs))
