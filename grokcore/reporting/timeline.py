"""Who reached what when: one line per run and held-out split, over the logarithm of the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grokcore.reporting.axis import StepAxis
from grokcore.reporting.entries import entries_of
from grokcore.reporting.marks import Mark, marks_of_split
from grokcore.reporting.palette import Style
from grokcore.reporting.read import RunView
from grokcore.reporting.series import entry_styles, series_of, split_styles
from grokcore.reporting.summary import verdict_words


@dataclass(frozen=True)
class Point:
    """A mark at `left` percent of the axis; a sustained time also spans (after, steps]."""

    kind: str
    left: float
    width: float = 0.0


@dataclass(frozen=True)
class Row:
    title: str
    colour: str
    points: list[Point]
    end: float
    """How far the run got, in percent of the axis."""
    censored: bool
    verdict: str
    words: str


@dataclass(frozen=True)
class Group:
    title: str
    rows: list[Row]


@dataclass(frozen=True)
class Tick:
    left: float
    label: str


def timeline(runs: Sequence[RunView], axis: StepAxis) -> list[Group]:
    """One run: a row per split. Several runs: a group per split with a row per run, so that like stands by like."""
    if len(runs) == 1:
        series = series_of(runs)
        styles = {one.split: style for one, style in zip(series, split_styles(series), strict=True)}
        rows = [_row(runs[0], split, split, styles[split], axis) for split in runs[0].evaluation.held_out]
        return [Group("", rows)]
    splits = dict.fromkeys(split for run in runs for split in run.evaluation.held_out)
    entries = entries_of(runs)
    looks = {place: look for entry, look in zip(entries, entry_styles(entries), strict=True) for place in entry.runs}
    styled = [(run, looks[place]) for place, run in enumerate(runs)]
    return [
        Group(
            split,
            [_row(run, split, run.label, style, axis) for run, style in styled if split in run.evaluation.held_out],
        )
        for split in splits
    ]


def ticks(axis: StepAxis) -> list[Tick]:
    return [Tick(round(100 * axis.share(step), 3), label) for step, label in axis.ticks]


def _row(run: RunView, split: str, title: str, style: Style, axis: StepAxis) -> Row:
    held_out = run.evaluation.held_out[split]
    memorized = run.evaluation.memorized.sustained
    marks = [Mark("memorised", memorized.steps, memorized.after, None)] if memorized else []
    marks += marks_of_split(run, split)
    return Row(
        title=title,
        colour=style.colour,
        points=[_point(mark, axis) for mark in marks],
        end=round(100 * axis.share(run.limit), 3),
        censored=held_out.sustained is None,
        verdict=held_out.verdict,
        words=verdict_words(run, held_out),
    )


def _point(mark: Mark, axis: StepAxis) -> Point:
    left = 100 * axis.share(mark.step)
    width = 0.0 if mark.after is None else left - 100 * axis.share(mark.after)
    return Point(mark.kind, round(left, 3), round(width, 3))
