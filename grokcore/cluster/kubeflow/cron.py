"""When a schedule runs: cron expressions as Kubeflow Pipelines reads them, and intervals."""

from __future__ import annotations

import re

from grokcore.errors import InputError

_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHORTEST = 60
"""Seconds between two runs, at least; a pod takes longer to start."""


def six_fields(expression: str) -> str:
    """The expression in the six fields of Kubeflow, which begin with seconds; the five of crontab begin at second 0.

    Raises:
        InputError: in one line, the field that is wrong and what it may be.
    """
    parts = expression.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise InputError(
            f"--cron {expression!r} has {len(parts)} fields: it needs 5 (minute, hour, day of the month, month, day of "
            f'the week), for example "30 2 * * 1", or 6 with seconds first'
        )
    for part, (name, lowest, highest, words) in zip(parts, _FIELDS, strict=True):
        for item in part.split(","):
            if not _fits(item.lower(), lowest, highest, words):
                extra = f" or {words[0]} to {words[-1]}" if words else ""
                raise InputError(
                    f"--cron {expression!r}: {name} is {item!r}, and must be *, {lowest} to {highest}{extra}, a range "
                    f"such as {lowest}-{highest}, or one of these with a step such as */2"
                )
    return " ".join(parts)


def seconds(interval: str) -> int:
    """`6h`, `90m` or `3600` as seconds.

    Raises:
        InputError: it is none, or too short.
    """
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", interval.strip())
    if match is None:
        raise InputError(f"--interval {interval!r} must be seconds, or a number with s, m, h or d: 6h")
    length = int(match[1]) * _UNITS[match[2] or "s"]
    if length < SHORTEST:
        raise InputError(f"--interval {interval!r} is {length} s: it must be {SHORTEST} s at least")
    return length


def _fits(item: str, lowest: int, highest: int, words: tuple[str, ...]) -> bool:
    match = re.fullmatch(r"(?P<first>\*|\?|\w+)(-(?P<last>\w+))?(/(?P<step>\d{1,4}))?", item, re.ASCII)
    if match is None or (match["step"] is not None and int(match["step"]) == 0):
        return False
    if match["first"] in "*?":
        return match["last"] is None
    ends = [_number(end, lowest, highest, words) for end in (match["first"], match["last"]) if end is not None]
    return None not in ends and ends == sorted(end for end in ends if end is not None)


def _number(text: str, lowest: int, highest: int, words: tuple[str, ...]) -> int | None:
    if text in words:
        return words.index(text) + lowest
    return int(text) if text.isdigit() and lowest <= int(text) <= highest else None
