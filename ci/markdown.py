"""Markdown that generated pages consist of."""

from __future__ import annotations

from collections.abc import Iterable


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; a `|` inside a cell is escaped.

    Raises:
        LookupError: there are no rows, so that what they were made from is empty.
    """
    body = list(rows)
    if not body:
        raise LookupError(f"a table of {', '.join(header)} has no rows: there is nothing to write")
    lines = [header, tuple("---" for _ in header), *body]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def arxiv_link(source: str) -> str:
    """Return `source` as a link if it is an arXiv id (`arXiv 2405.15071`), else as it is."""
    kind, _, number = source.partition(" ")
    return f"[{number}](https://arxiv.org/abs/{number})" if kind == "arXiv" else source
