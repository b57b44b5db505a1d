"""Which curves a report draws, in which colour and dash, and with which points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grokcore.reporting.entries import Entry
from grokcore.reporting.palette import (
    BLACK,
    BLUE,
    CYCLE,
    DASHES,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Style,
    told_apart,
)
from grokcore.reporting.read import Line, Measure, RunView

_COLOURS_OF_ROLE = {
    "held_out": (BLUE, VERMILLION, GREEN, PURPLE),
    "train": (SKY, ORANGE, GREEN, PURPLE),
    "diagnostic": (PURPLE, GREEN, ORANGE, SKY),
}
_DASH_OF_ROLE = {"held_out": "solid", "train": "dashed", "diagnostic": "dotdash"}

POINTS_OF_A_REPORT = 120_000
"""Numbers drawn at most, so that a file of many long runs stays small enough to mail."""


@dataclass(frozen=True)
class Series:
    """One curve of a run: a split, or the training splits pooled (`split` None)."""

    title: str
    role: str
    split: str | None

    def measure(self, line: Line) -> Measure:
        found = line.train if self.split is None else line.splits.get(self.split)
        return found or Measure()


def series_of(runs: Sequence[RunView]) -> list[Series]:
    """The curves of these runs: training pooled, held-out splits, diagnostic splits, single training splits."""
    roles: dict[str, str] = {}
    for run in runs:
        roles.update({name: split.role for name, split in run.evaluation.splits.items()})
        for name in run.journal[-1].splits:
            roles.setdefault(name, "diagnostic")
    # A training set of one split is its own pool: drawing both would draw one curve twice.
    apart = {name for run in runs if len(run.train_splits) > 1 for name in run.train_splits}
    single = {name for run in runs for name in run.train_splits} - apart
    order = {"held_out": 0, "diagnostic": 1, "train": 2}
    splits = [
        Series(title=name, role=role, split=name)
        for name, role in sorted(roles.items(), key=lambda item: order.get(item[1], 1))
        if name not in single
    ]
    return [Series(title="training set", role="train", split=None), *splits]


def split_styles(series: Sequence[Series]) -> list[Style]:
    """One run: a colour per split, a dash per role."""
    used: dict[str, int] = {}
    styles = []
    for one in series:
        if one.split is None:
            styles.append(Style(BLACK, "solid", 2))
            continue
        colours = _COLOURS_OF_ROLE.get(one.role, _COLOURS_OF_ROLE["diagnostic"])
        number = used[one.role] = used.get(one.role, -1) + 1
        dash = _DASH_OF_ROLE.get(one.role, "dotdash")
        if number >= len(colours):
            dash = DASHES[(number // len(colours) + DASHES.index(dash)) % len(DASHES)]
        styles.append(Style(colours[number % len(colours)], dash, 2.5 if one.role == "held_out" else 1.5))
    return styles


def entry_styles(entries: Sequence[Entry]) -> list[Style]:
    """Several runs: a colour per run or spec, and another dash where the colours are used up; medians are broad."""
    width = 2 if len(entries) <= len(CYCLE) else 1.5
    return [told_apart(number, 3 if entry.several else width) for number, entry in enumerate(entries)]


def drawn_lines(run: RunView, series: Sequence[Series], most: int) -> list[Line]:
    """At most about `most` evaluations of a run; see `drawn_places`."""
    held_out = [[one.measure(line).accuracy for line in run.journal] for one in series if one.role == "held_out"]
    return [run.journal[place] for place in drawn_places([line.step for line in run.journal], held_out, most)]


def drawn_places(steps: Sequence[int], watched: Sequence[Sequence[float | None]], most: int) -> list[int]:
    """The places of at most about `most` evaluations, spread over the logarithm of the steps.

    Of each stretch the first evaluation is kept, and those where a watched accuracy is lowest and highest: thinning
    hides no peak and no collapse. The last evaluation always stays.
    """
    if len(steps) <= most:
        return list(range(len(steps)))
    stretches = max(1, most // (1 + 2 * len(watched)))
    scale = stretches / math.log1p(max(1, steps[-1]))
    stretch: dict[int, list[int]] = {}
    for place, step in enumerate(steps):
        stretch.setdefault(min(stretches - 1, int(math.log1p(step) * scale)), []).append(place)
    kept = {len(steps) - 1}
    for places in stretch.values():
        kept.add(places[0])
        for curve in watched:
            accuracy: Callable[[int], float] = lambda place, curve=curve: curve[place] or 0.0  # type: ignore[misc]  # noqa: E731
            kept.update((min(places, key=accuracy), max(places, key=accuracy)))
    return sorted(kept)
