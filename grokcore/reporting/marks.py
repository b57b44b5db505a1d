"""The moments of a run that its charts mark: memorised, onset, grokked, collapsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grokcore.reporting.axis import StepAxis
from grokcore.reporting.read import RunView

_SLOTS = (("right", 0), ("left", 0), ("right", 1), ("left", 1))
_GAP = 0.045
"""Width of a label set upright, as a share of the narrowest chart: a phone's."""


@dataclass(frozen=True)
class Mark:
    """A moment of a run; `split` is None for the training set, `after` the evaluation before."""

    kind: str
    step: int
    after: int | None
    split: str | None


@dataclass(frozen=True)
class Slot:
    """Where a mark's label stands: beside its line, in the lower or the upper half of the chart."""

    side: str
    tier: int


def marks_of(run: RunView) -> list[Mark]:
    """In the order of their steps."""
    memorized = run.evaluation.memorized.sustained
    marks = [Mark("memorised", memorized.steps, memorized.after, None)] if memorized else []
    for split in run.evaluation.held_out:
        marks += marks_of_split(run, split)
    return sorted(marks, key=lambda mark: mark.step)


def marks_of_split(run: RunView, split: str) -> list[Mark]:
    held_out = run.evaluation.held_out[split]
    marks = []
    if held_out.onset is not None:
        marks.append(Mark("onset", held_out.onset, None, split))
    if held_out.sustained is not None:
        kind = "grokked" if run.delayed(held_out) else "generalised"
        marks.append(Mark(kind, held_out.sustained.steps, held_out.sustained.after, split))
    if held_out.collapsed is not None:
        marks.append(Mark("collapsed", held_out.collapsed, None, split))
    return marks


def slots(marks: Sequence[Mark], axis: StepAxis) -> list[Slot]:
    """A place for each mark's label where, as far as possible, it covers no other label or line, even on a phone."""
    lines = [axis.share(mark.step) for mark in marks]
    taken: list[tuple[int, float]] = []
    placed = []
    for share in lines:
        free = [
            (side, tier)
            for side, tier in _SLOTS
            if 0 < (centre := _centre(share, side)) < 1
            and all(other != tier or abs(centre - place) >= _GAP for other, place in taken)
        ] or [_SLOTS[0 if share < 0.5 else 1]]
        side, tier = min(free, key=lambda slot: _crossed(share, slot[0], lines))  # the first where there is a choice
        taken.append((tier, _centre(share, side)))
        placed.append(Slot(side, tier))
    return placed


def _centre(share: float, side: str) -> float:
    return share + (_GAP / 2 if side == "right" else -_GAP / 2)


def _crossed(share: float, side: str, lines: Sequence[float]) -> bool:
    """Whether another mark's line runs through a label on this side."""
    return any(0 < (line - share if side == "right" else share - line) < _GAP for line in lines)
