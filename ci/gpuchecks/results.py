"""The result file of a part, written anew at every change, so that what was found outlives the process that found it.

state       running     not ended yet, or killed together with the program that watches it
            done        answered on a GPU
            rehearsed   the same code ran on a CPU, at toy size
            absent      what it needs is not here; `why` names it
            paused      a run that has more to train: the next call continues it
            failed      ended by an error, or by a process that died
            overrun     killed at the end of its budget; what it found before is kept
why         one line
rows        what was measured, one object for each comparison
problems    what was measured and should not be so, a line each
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = "parts"


class PartResult:
    """A result file.

    Attributes:
        document: its content.
    """

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path, self.document = path, document

    @classmethod
    def begin(cls, out: Path, name: str, question: str, *, device: str, budget: float) -> PartResult:
        """Begin a part anew; what an earlier attempt found is dropped."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        result = cls(
            path_of(out, name),
            {
                "format": 1,
                "part": name,
                "question": question,
                "state": "running",
                "why": "",
                "device": device,
                "started": now,
                "seconds": None,
                "budget_seconds": round(budget, 1),
                "rows": [],
                "problems": [],
            },
        )
        result._begun = time.monotonic()
        result.save()
        return result

    _begun: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether a later call leaves the part as it is: what was absent may be there then, but not in a rehearsal."""
        state = self.document["state"]
        return state in ("done", "rehearsed") or (state == "absent" and self.document["device"] == "cpu")

    def add(self, **row: Any) -> None:
        self.document["rows"].append(row)
        self.save()

    def problem(self, line: str) -> None:
        self.document["problems"].append(line)
        self.save()

    def end(self, state: str, why: str = "", seconds: float | None = None) -> None:
        if seconds is None and self._begun is not None:
            seconds = time.monotonic() - self._begun
        if seconds is not None:
            self.document["seconds"] = round(seconds, 1)
        self.document["state"], self.document["why"] = state, why
        self.save()

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self.document, indent=1, allow_nan=False) + "\n", "utf-8")
        temporary.replace(self.path)


def path_of(out: Path, name: str) -> Path:
    return out / FOLDER / f"{name}.json"


def read(out: Path, name: str) -> PartResult | None:
    """Return the result of a part, or None where it has not begun, or its file is damaged."""
    path = path_of(out, name)
    try:
        return PartResult(path, json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return None
