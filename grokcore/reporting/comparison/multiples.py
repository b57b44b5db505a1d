"""A small chart per group, drawn as SVG: where groups are many, curves on top of each other tell nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grokcore.evaluation.bands import Band
from grokcore.reporting.comparison.charts import Bands
from grokcore.reporting.comparison.study import Study
from grokcore.reporting.palette import BLACK, BLUE, DASH_LENGTHS, GREEN, PURPLE, VERMILLION

WIDTH, HEIGHT = 240, 120
"""Of the drawing area, in units of the SVG."""
_LOOKS = ((BLUE, "solid"), (VERMILLION, "solid"), (GREEN, "dashed"), (PURPLE, "dotdash"))


@dataclass(frozen=True)
class Line:
    """A curve of a small chart: points of its median, and of the outline of its band."""

    title: str
    colour: str
    dash: str
    median: str
    band: str


@dataclass(frozen=True)
class Multiple:
    title: str
    note: str
    lines: list[Line]


@dataclass(frozen=True)
class Key:
    title: str
    colour: str
    dash: str


def looks(study: Study) -> dict[str, tuple[str, str]]:
    """Colour and dash of each split that the small charts show: the training set and what is held out."""
    held_out = {split.name: _LOOKS[place % len(_LOOKS)] for place, split in enumerate(study.held_out)}
    return {study.splits[0].name: (BLACK, "dotted"), **held_out}


def keys(study: Study) -> list[Key]:
    found = looks(study)
    return [Key(split.title, *_svg(found[split.name])) for split in study.splits if split.name in found]


def multiples(study: Study, bands: Bands, notes: Sequence[str]) -> list[Multiple]:
    """The groups in their order; `notes` says of each what became of it."""
    return [
        Multiple(
            group.label,
            note,
            [
                Line(split.title, *_svg(look), *_points(study, bands.of[number, split.name]))
                for split in study.splits
                if (look := looks(study).get(split.name)) and (number, split.name) in bands.of
            ],
        )
        for number, (group, note) in enumerate(zip(study.groups, notes, strict=True))
    ]


def ticks(study: Study) -> list[tuple[float, str]]:
    """Places of the labelled steps, in units of the SVG; few, for there is little room."""
    placed = [(round(WIDTH * study.steps.share(step), 1), label) for step, label in study.steps.ticks]
    every = max(1, -(-len(placed) // 4))
    return placed[::every]


def height_of(accuracy: float) -> float:
    return round(HEIGHT * (1.02 - accuracy) / 1.04, 1)


def _svg(look: tuple[str, str]) -> tuple[str, str]:
    colour, dash = look
    return colour, DASH_LENGTHS[dash]


def _points(study: Study, band: Band) -> tuple[str, str]:
    """Of the median, and of the outline of the band: there along its upper limit, and back along its lower one."""
    across = [round(WIDTH * study.steps.share(study.steps.position(step)), 1) for step in band.steps]
    median, upper, lower = (
        [f"{x:g},{height_of(value):g}" for x, value in zip(across, values, strict=True)]
        for values in (band.median, band.upper, band.lower)
    )
    return " ".join(median), " ".join(upper + lower[::-1])
