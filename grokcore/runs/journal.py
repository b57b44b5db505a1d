"""The metrics journal: the durable record of a run, one JSON line per evaluation.

`EvaluationLine` is what a reader may rely on in a line. Journals of format 1 (`Manifest.format`) call the phase
`sustained` of a split `grokked`; every reader here returns them in the present format, and no file is changed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from grokcore.documents import decode_json
from grokcore.errors import InputError
from grokcore.storage import Store, clear_errors, read_bytes
from grokcore.storage.regular import open_for_writing

JOURNAL = "metrics.jsonl"
JournalLine = Mapping[str, Any]
"""One evaluation: a line of the journal, as a JSON object; `EvaluationLine` says what it holds."""
_END_BYTES = 1 << 14
"""Of a journal's end, more than one line has."""
_MOST_STEPS = 2**53
"""A number of steps that a float holds exactly."""


class Journal:
    """Writes evaluations to `metrics.jsonl` of a run.

    In a directory a line is appended, and is whole before the next begins. Where nothing can be appended the whole
    journal is put again.

    Args:
        store: the run's.
        content: what it holds so far: whole lines, which replace those that may be there.
        defer: called with the work of putting the whole journal, to do it at some time.
        notify: called with a line where somebody has removed the file.
    """

    def __init__(
        self,
        store: Store,
        content: bytes = b"",
        *,
        defer: Callable[[Callable[[], None]], None] = lambda put: put(),
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._store, self._defer, self._notify = store, defer, notify
        self._file: IO[bytes] | None = None
        self._parts = [content]
        self.replace(content)

    @property
    def content(self) -> bytes:
        """All lines so far, as they stand in the file or will."""
        return b"".join(self._parts)

    def append(self, line: JournalLine) -> None:
        text = encode(line)
        if self._file is not None:
            self._restore()
            with clear_errors("write", self._store.uri_of(JOURNAL)):
                self._file.write(text)
                self._file.flush()
        self._parts.append(text)
        if self._file is None:
            self._defer(self.put)

    def _restore(self) -> None:
        """Write the whole journal again where its file was removed or replaced: appending would go nowhere."""
        if self._store.directory is None or self._file is None:
            return
        try:
            ours = os.path.samestat(os.fstat(self._file.fileno()), (self._store.directory / JOURNAL).stat())
        except FileNotFoundError:
            ours = False
        if not ours:
            self._notify(f"{self._store.uri_of(JOURNAL)} was removed or replaced by somebody: it is written again")
            self.replace(self.content)

    def put(self) -> None:
        """Write the whole journal."""
        self._store.write(JOURNAL, self.content)

    def replace(self, content: bytes) -> None:
        """Go on from other lines: those of the checkpoint that training goes back to."""
        self.close()
        self._parts = [content]
        self.put()
        if self._store.directory is not None:
            path = self._store.directory / JOURNAL
            with clear_errors("write", path):
                self._file = os.fdopen(open_for_writing(path, os.O_APPEND), "ab")

    def close(self) -> None:
        if self._file is not None:
            with clear_errors("write", self._store.uri_of(JOURNAL)):
                self._file.close()
            self._file = None


def encode(line: JournalLine) -> bytes:
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def finite(value: float) -> float | None:
    """`value`, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


def read_journal(path: Path) -> list[JournalLine]:
    """All evaluations so far, in order; a last line that is still being written is left out.

    Raises:
        InputError: the file is absent, or a line before the last is not an evaluation.
    """
    text = read_bytes(path)
    return decode(text[: text.rfind(b"\n") + 1], path)


def last_evaluation(run: Store) -> JournalLine | None:
    """The last whole line of a run's journal, read from its end; None where there is none.

    Raises:
        InputError: it is not an evaluation.
        TransientError: the store did not answer.
    """
    size = _END_BYTES
    while True:
        text = run.read_end(JOURNAL, size)
        whole = text[: text.rfind(b"\n") + 1]
        begin = whole.rfind(b"\n", 0, -1) + 1
        if begin or len(text) < size:
            lines = decode(whole[begin:], run.uri_of(JOURNAL))
            return lines[-1] if lines else None
        size *= 8


def decode(text: bytes, path: Path | str) -> list[JournalLine]:
    """The evaluations in whole lines of a journal.

    Raises:
        InputError: a line is not an evaluation.
    """
    lines: list[JournalLine] = []
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            line = decode_json(raw)
        except (ValueError, TypeError, RecursionError):
            line = None
        if (fault := _fault_of(line)) is not None:
            raise InputError(f"{path}, line {number}, is not an evaluation ({fault}): the journal is damaged")
        lines.append(upgraded(line))
    return lines


def upgraded(line: dict[str, Any]) -> dict[str, Any]:
    """A line of any format in the present one, format 2."""
    phases = line["phases"]
    old = isinstance(phases, dict) and any("grokked" in begun for begun in phases.values() if isinstance(begun, dict))
    if not old:
        return line
    renamed = {
        split: {current_phase(phase): step for phase, step in begun.items()} if isinstance(begun, dict) else begun
        for split, begun in phases.items()
    }
    return {**line, "phases": renamed}


def current_phase(name: str) -> str:
    """The present name of a phase that a file of format 1 names."""
    return "sustained" if name == "grokked" else name


def upgraded_journal(text: bytes, path: Path | str) -> bytes:
    """Whole lines of a journal of any format in the present one; of the present one, `text` itself.

    Raises:
        InputError: a line is not an evaluation.
    """
    return b"".join(map(encode, decode(text, path))) if b'"grokked":' in text else text


def _fault_of(line: Any) -> str | None:
    """Return why a value is not a line of a journal; None if it is one."""
    if not isinstance(line, dict):
        return "it is not a JSON object"
    absent = [name for name in ("step", "train", "splits", "phases", "clock") if name not in line]
    if absent:
        return f"it has no {' and no '.join(absent)}"
    if type(line["step"]) is not int or not 0 <= line["step"] <= _MOST_STEPS:
        return f"its step is not a whole number from 0 to {_MOST_STEPS}"
    return None


_Step = Annotated[int, Field(ge=0, le=2**53)]
"""Optimizer steps: a number that a float holds exactly."""


class _Part(BaseModel):
    """Of another version's line, more fields are welcome; a number is a number and no text that looks like one."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class SplitMetrics(_Part):
    """null stands for a value that was no finite number."""

    accuracy: float | None = Field(ge=0, le=1)
    loss: float | None = Field(None, le=1e39)


class SplitPhases(_Part):
    onset: _Step | None
    sustained: _Step | None
    collapsed: _Step | None


class Checkpoints(_Part):
    last: float | None = None
    failures: int = 0


class Clock(_Part):
    elapsed_seconds: float = Field(ge=0)
    cpu_seconds: float | None = Field(None, ge=0, description="of the optimizer steps; null in earlier versions")
    steps_per_second: float | None = None
    time: str | None = None
    checkpoints: Checkpoints | None = None


class EvaluationLine(_Part):
    """One line of `metrics.jsonl`."""

    step: _Step
    examples: int = Field(ge=0, le=2**63)
    epoch: float = Field(ge=0)
    flops: float = Field(ge=0)
    train: SplitMetrics
    splits: dict[str, SplitMetrics]
    learning_rate: float | None = None
    gradient_norm: float | None = None
    weight_norm: float | None = None
    loss_scale: float | None = None
    steps_skipped: int = 0
    restarts: int = 0
    phases: dict[str, _Step | SplitPhases | None]
    clock: Clock


_LINE = TypeAdapter(EvaluationLine)


def check_line(line: JournalLine, place: str | Path) -> None:
    """Make sure that a line is an evaluation.

    Raises:
        InputError: it is not; names `place`, the step and the field.
    """
    try:
        _LINE.validate_python(line)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{place} is damaged at step {_shown(line)}: {field}: {problem['msg']}") from None
    judged = {name for name, phases in line["phases"].items() if isinstance(phases, dict)}
    if judged != line["phases"].keys() - {"memorized"} or "memorized" not in line["phases"]:
        raise InputError(f"{place} is damaged at step {line['step']}: phases are memorized, and three of each split")
    if not judged <= line["splits"].keys():
        raise InputError(f"{place} is damaged at step {line['step']}: phases names a split that was not measured")


def checked_lines(lines: Sequence[JournalLine], place: str | Path) -> list[JournalLine]:
    """`lines` as they are, once it is sure that each is an evaluation of the same splits, later than the one before.

    Raises:
        InputError: one is not.
    """
    for line in lines:
        check_line(line, place)
    for before, line in pairwise(lines):
        if line["step"] <= before["step"] or line["splits"].keys() != before["splits"].keys():
            raise InputError(f"{place} is damaged at step {line['step']}: the line does not follow the one before")
    return list(lines)


def _shown(line: JournalLine) -> str:
    text = str(line.get("step"))
    return text if len(text) < 20 else f"{text[:17]}..."
