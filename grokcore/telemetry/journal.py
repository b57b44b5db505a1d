"""The metrics journal: the durable record of a run, one JSON line per evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from grokcore.errors import InputError
from grokcore.storage import clear_errors, read_bytes, write_atomically

JOURNAL = "metrics.jsonl"


class Journal:
    """Appends evaluations to `metrics.jsonl`; each line is whole before the next begins."""

    def __init__(self, path: Path) -> None:
        with clear_errors("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        self._path = path

    def append(self, line: dict[str, Any]) -> None:
        with clear_errors("write", self._path):
            self._file.write(encode(line))
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def encode(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def finite(value: float) -> float | None:
    """`value`, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All evaluations so far, in order; a last line that is still being written is left out.

    Raises:
        InputError: the file is absent, or a line before the last is no evaluation.
    """
    text = read_bytes(path)
    return decode(text[: text.rfind(b"\n") + 1], path)


def decode(text: bytes, path: Path) -> list[dict[str, Any]]:
    """The evaluations in whole lines of a journal.

    Raises:
        InputError: a line is no evaluation.
    """
    lines: list[dict[str, Any]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            line = json.loads(raw)
            if type(line["step"]) is not int or not {"train", "splits", "phases", "clock"} <= line.keys():
                raise TypeError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise InputError(f"{path}, line {number}, is no evaluation: the journal is damaged") from None
        lines.append(line)
    return lines


def cut_back(path: Path, step: int) -> list[dict[str, Any]]:
    """Drop evaluations after `step`, and a torn last line; return the ones that stay."""
    if not path.exists():
        return []
    kept = [line for line in read_journal(path) if line["step"] <= step]
    write_atomically(path, b"".join(encode(line) for line in kept))
    return kept
