"""The phases of a run that its charts mark: memorized, onset, grokked or generalized, collapsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grokcore.reporting.axis import StepAxis
from grokcore.runs.evaluation import HeldOut
from grokcore.runs.record import RunRecord

_SLOTS = (("right", 0), ("left", 0), ("right", 1), ("left", 1))
_GAP = 0.045
"""Width of an upright label, as a share of the narrowest chart: a phone's."""


@dataclass(frozen=True)
class PhaseMarker:
    """The step at which a phase began; `split` is None for the training set, `after` the evaluation before."""

    kind: str
    step: int
    after: int | None
    split: str | None


@dataclass(frozen=True)
class LabelSlot:
    """The place of a marker's label: beside its line, in the lower or the upper half of the chart."""

    side: str
    tier: int


def phase_markers(run: RunRecord) -> list[PhaseMarker]:
    """Return all markers of a run in the order of their steps."""
    markers = memorized_marker(run)
    for split in run.evaluation.held_out:
        markers += markers_of_split(run, split)
    return sorted(markers, key=lambda marker: marker.step)


def memorized_marker(run: RunRecord) -> list[PhaseMarker]:
    """Return the marker of memorization, if the run memorized."""
    memorized = run.evaluation.memorized.sustained
    return [PhaseMarker("memorized", memorized.steps, memorized.after, None)] if memorized else []


def markers_of_split(run: RunRecord, split: str) -> list[PhaseMarker]:
    """Return the markers of a held-out split."""
    held_out = run.evaluation.held_out[split]
    markers = []
    if held_out.onset is not None:
        markers.append(PhaseMarker("onset", held_out.onset, None, split))
    if held_out.sustained is not None:
        kind = "grokked" if is_delayed(run, held_out) else "generalized"
        markers.append(PhaseMarker(kind, held_out.sustained.steps, held_out.sustained.after, split))
    if held_out.collapsed is not None:
        markers.append(PhaseMarker("collapsed", held_out.collapsed, None, split))
    return markers


def is_delayed(run: RunRecord, held_out: HeldOut) -> bool:
    """Whether a split was sustained late enough to have grokked, even where it collapsed afterwards."""
    if held_out.verdict == "collapsed":
        return (held_out.ratio or 0) >= run.spec.evaluation.delay
    return held_out.verdict == "grokked"


def label_slots(markers: Sequence[PhaseMarker], axis: StepAxis) -> list[LabelSlot]:
    """Place each marker's label where, as far as possible, it covers no other label or line, even on a phone."""
    lines = [axis.share(marker.step) for marker in markers]
    taken: list[tuple[int, float]] = []
    placed = []
    for share in lines:
        free = [
            (side, tier)
            for side, tier in _SLOTS
            if 0 < (center := _center(share, side)) < 1
            and all(other != tier or abs(center - place) >= _GAP for other, place in taken)
        ] or [_SLOTS[0 if share < 0.5 else 1]]
        side, tier = min(free, key=lambda slot: _is_crossed(share, slot[0], lines))  # the first of equals
        taken.append((tier, _center(share, side)))
        placed.append(LabelSlot(side, tier))
    return placed


def _center(share: float, side: str) -> float:
    return share + (_GAP / 2 if side == "right" else -_GAP / 2)


def _is_crossed(share: float, side: str, lines: Sequence[float]) -> bool:
    """Whether another marker's line runs through a label on this side."""
    return any(0 < (line - share if side == "right" else share - line) < _GAP for line in lines)
