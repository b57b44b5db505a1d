"""What can be said of how a metric is drawn, and which numbers stand beside it; the catalog says it of each.

An analysis that the catalog does not name is drawn, too: its metrics by layer and position, or by layer and part, as
heat maps, and its headlines as curves. A metric named after another, such as `probe_accuracy_shuffled` after
`probe_accuracy`, is that one's control.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from grokcore.interpret.registry import ANALYSES

Field = Literal["", "layer", "position", "target", "case"]


@dataclass(frozen=True)
class Beside:
    """A number that is told along with another.

    Attributes:
        case: that of the row it stands beside, in a template such as `same value {case}`; empty for the same.
    """

    label: str
    metric: str
    case: str = ""


@dataclass(frozen=True)
class MapSpec:
    """A metric that is drawn as maps.

    Attributes:
        per: fields of which every combination gets a map of its own.
        rows, columns: fields along the sides of a map.
        explanation: what is read from the maps, in a sentence or two.
        neutral: the value without color, such as 1 for what should stay 1.
        is_share: whether it is read on a scale from 0 to 1; else the largest value of a map sets its scale.
        beside: numbers told on pointing at a cell.
        bars: whether a map is one row of bars.
        curves: whether its cells are drawn over steps, too: every chart costs a reader's browser time.
    """

    analysis: str
    metric: str
    title: str
    explanation: str = ""
    per: tuple[Field, ...] = ("case", "target")
    rows: Field = "layer"
    columns: Field = "position"
    neutral: float = 0.0
    is_share: bool = True
    beside: tuple[Beside, ...] = ()
    bars: bool = False
    curves: bool = True


@dataclass(frozen=True)
class Family:
    """Maps of an analysis under one heading."""

    title: str
    explanation: str
    specs: tuple[MapSpec, ...]


@dataclass(frozen=True)
class SeriesSpec:
    """Headlines that share a chart over steps.

    Attributes:
        metrics: those that are drawn; their controls are drawn with them.
        beside: numbers told on pointing at a curve.
        is_share: whether they are read on a scale from 0 to 1.
        splits: those that are drawn; by default all.
        names_site: whether `target` names the site of the number, which may change from step to step.
    """

    title: str
    metrics: tuple[str, ...]
    beside: tuple[Beside, ...] = ()
    is_share: bool = False
    is_log: bool = False
    names_site: bool = False
    splits: tuple[str, ...] = ()


def is_progress(analysis: str) -> bool:
    """Whether an analysis measures weights or training rows, so that no split of questions is chosen for it."""
    entry = ANALYSES.get(analysis)
    return entry is not None and ".progress." in entry.module


def base_of(metric: str, among: Iterable[str]) -> str:
    """Return the metric that this one is the control of, or itself; a gain is the difference to one."""
    if metric.endswith("_gain"):
        return metric
    found = [other for other in among if metric.startswith(f"{other}_")]
    return min(found, key=len) if found else metric


def controls_of(metric: str, among: Iterable[str]) -> list[str]:
    known = list(among)
    return [other for other in known if other != metric and base_of(other, known) == metric]
