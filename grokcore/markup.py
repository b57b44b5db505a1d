"""HTML of the objects that a notebook shows: plain tables, in which all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table_html(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, notes: Sequence[str] = ()) -> str:
    """Return a titled table and the notes below it.

    The notebook's own style sheet dresses the table, so that it is as light or as dark as all else there.
    """
    heads = "".join(f'<th style="text-align: left">{_text(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    below = "".join(f'<div style="opacity: .75">{_text(note)}</div>' for note in notes)
    shown = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    return f"<div><div><strong>{_text(title)}</strong></div>{shown}{below}</div>"


def _cell(value: object) -> str:
    return f'<td style="text-align: left">{_text(value)}</td>'


def _text(value: object) -> str:
    return escape(str(value)).encode("utf-8", "replace").decode()
