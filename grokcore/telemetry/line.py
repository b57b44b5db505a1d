"""What a reader may rely on in a line of the metrics journal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from grokcore.errors import InputError

_Step = Annotated[int, Field(ge=0, le=2**53)]
"""Optimiser steps: a number that a float holds exactly."""


class _Part(BaseModel):
    """Of another version's line, more fields are welcome; a number is a number and no text that looks like one."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class Measure(_Part):
    """null stands for a value that was no finite number."""

    accuracy: float | None = Field(ge=0, le=1)
    loss: float | None = Field(None, le=1e39)


class SplitPhases(_Part):
    onset: _Step | None
    grokked: _Step | None
    collapsed: _Step | None


class Checkpoints(_Part):
    last: float | None = None
    failures: int = 0


class Clock(_Part):
    elapsed_seconds: float = Field(ge=0)
    steps_per_second: float | None = None
    time: str | None = None
    checkpoints: Checkpoints | None = None


class EvaluationLine(_Part):
    """One line of `metrics.jsonl`."""

    step: _Step
    examples: int = Field(ge=0, le=2**63)
    epoch: float = Field(ge=0)
    flops: float = Field(ge=0)
    train: Measure
    splits: dict[str, Measure]
    learning_rate: float | None = None
    gradient_norm: float | None = None
    weight_norm: float | None = None
    loss_scale: float | None = None
    steps_skipped: int = 0
    restarts: int = 0
    phases: dict[str, _Step | SplitPhases | None]
    clock: Clock


_LINE = TypeAdapter(EvaluationLine)


def check_line(line: dict[str, Any], place: str | Path) -> None:
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


def checked_lines(lines: Sequence[dict[str, Any]], place: str | Path) -> list[dict[str, Any]]:
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


def _shown(line: dict[str, Any]) -> str:
    text = str(line.get("step"))
    return text if len(text) < 20 else f"{text[:17]}..."
