"""The timeline of a run: one row per held-out split, over the logarithm of the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grokcore.reporting.axis import StepAxis
from grokcore.reporting.palette import Style
from grokcore.reporting.phase_markers import PhaseMarker, markers_of_split, memorized_marker
from grokcore.reporting.run_findings import verdict_text
from grokcore.runs.record import RunRecord


@dataclass(frozen=True)
class Point:
    """A marker at `left` percent of the axis; a sustained time also spans (after, steps]."""

    kind: str
    left: float
    width: float = 0.0


@dataclass(frozen=True)
class TimelineRow:
    """A split of a run; `end` is how far the run got, in percent of the axis."""

    title: str
    color: str
    points: list[Point]
    end: float
    censored: bool
    text: str


@dataclass(frozen=True)
class Tick:
    left: float
    label: str


def timeline(run: RunRecord, styles: Mapping[str, Style], axis: StepAxis) -> list[TimelineRow]:
    """Return a row per held-out split, in the color of the split."""
    return [_row(run, split, styles[split], axis) for split in run.evaluation.held_out]


def timeline_ticks(axis: StepAxis) -> list[Tick]:
    return [Tick(round(100 * axis.share(step), 3), label) for step, label in axis.ticks]


def _row(run: RunRecord, split: str, style: Style, axis: StepAxis) -> TimelineRow:
    held_out = run.evaluation.held_out[split]
    return TimelineRow(
        title=split,
        color=style.color,
        points=[_point(marker, axis) for marker in memorized_marker(run) + markers_of_split(run, split)],
        end=round(100 * axis.share(run.evaluation.censored_at), 3),
        censored=held_out.sustained is None,
        text=verdict_text(run, held_out),
    )


def _point(marker: PhaseMarker, axis: StepAxis) -> Point:
    left = 100 * axis.share(marker.step)
    width = 0.0 if marker.after is None else left - 100 * axis.share(marker.after)
    return Point(marker.kind, round(left, 3), round(width, 3))
