"""The page of what was checked on a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ci.markdown import table

Document = dict[str, Any]


def checks_markdown(document: Document) -> str:
    """Write a section for each part: its question, how it ended, and its rows."""
    machine = document["machine"]
    parts = [
        "# Checks on a GPU",
        f"{machine['gpu'] or machine['processor']}, {document['date'][:10]}, commit {machine['commit']}.",
        table(
            ("part", "question", "ended", "seconds", "rows"),
            [
                (name, found["question"], _ended(found), f"{found['seconds'] or 0:.0f}", str(len(found["rows"])))
                for name, found in document["checks"].items()
            ],
        ),
    ]
    for name, found in document["checks"].items():
        if found["rows"]:
            parts += [f"## {name}", *_problems(found["problems"]), _rows(found["rows"])]
    return "\n\n".join(parts) + "\n"


def _ended(found: dict[str, Any]) -> str:
    why = f": {found['why']}" if found["why"] else ""
    return f"{found['state']}{why}".replace("|", "/")


def _problems(lines: Iterable[str]) -> list[str]:
    text = "\n".join(f"- **{line}**" for line in lines)
    return [text] if text else []


def _rows(rows: list[dict[str, Any]]) -> str:
    """Write rows under the columns that any of them has, in the order in which they first appear."""
    columns = list(dict.fromkeys(name for row in rows for name, value in row.items() if _is_short(value)))
    head = tuple(name.replace("_", " ") for name in columns)
    return table(head, [tuple(_cell(row.get(name)) for name in columns) for row in rows])


def _is_short(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _cell(value: Any) -> str:
    if value is None or not _is_short(value):
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "/").split())
