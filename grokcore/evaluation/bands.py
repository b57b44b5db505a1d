"""Accuracy curves of several runs as one curve with a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from grokcore.evaluation.curves import accuracy_of, steps_of
from grokcore.runs.record import RunRecord


@dataclass(frozen=True)
class Band:
    """Over runs, at each step that more than half of them were evaluated at.

    Attributes:
        runs: how many these were: of fewer than all the curve is a selection.
        lower, upper: limits that hold at least the share of runs asked for; of few runs the lowest and the highest.
    """

    steps: tuple[int, ...]
    median: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    runs: tuple[int, ...]


def band_of(runs: Sequence[RunRecord], split: str, *, spread: float = 0.8) -> Band:
    """The accuracy of a split (`train`: of the training set).

    Args:
        spread: share of the runs between the two limits, in (0, 1].
    """
    values: dict[int, list[float]] = {}
    for run in runs:
        for step, accuracy in zip(steps_of(run.journal), accuracy_of(run.journal, split), strict=True):
            if accuracy is not None:
                values.setdefault(step, []).append(accuracy)
    shared = {step: found for step, found in sorted(values.items()) if 2 * len(found) > len(runs)}
    limits = [_limits(found, spread) for found in shared.values()]
    return Band(
        steps=tuple(shared),
        median=tuple(median(found) for found in shared.values()),
        lower=tuple(low for low, _ in limits),
        upper=tuple(high for _, high in limits),
        runs=tuple(len(found) for found in shared.values()),
    )


def _limits(values: Sequence[float], spread: float) -> tuple[float, float]:
    """Values that leave out equal numbers on either side, and together no more than may be left out."""
    ordered = sorted(values)
    outside = min(int((1 - spread) / 2 * len(ordered) + 1e-9), (len(ordered) - 1) // 2)
    return ordered[outside], ordered[-1 - outside]
