"""What a part is given, and how it ends other than by an answer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci.gpuchecks.results import PartResult


class AbsentError(Exception):
    """Something that the part needs is not here."""


class PausedError(Exception):
    """There is more to do, for the next call."""


@dataclass(frozen=True)
class Setting:
    """What a part is given.

    Attributes:
        device: cuda, or in a rehearsal cpu.
        rehearse: whether everything is to be of toy size.
        out: where the files go that it leaves.
        seconds: its budget.
        result: where it adds rows and problems.
    """

    device: str
    rehearse: bool
    out: Path
    seconds: float
    result: PartResult
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        return self.begun + self.seconds - time.monotonic()

    @property
    def work(self) -> Path:
        """Folder of data and of files that no later call needs; it stays where it is made."""
        return self.out / "work"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield an empty folder that is deleted afterwards."""
        self.work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            yield Path(folder)

    def add(self, **row: Any) -> None:
        self.result.add(**row)

    def problem(self, line: str) -> None:
        self.result.problem(line)
