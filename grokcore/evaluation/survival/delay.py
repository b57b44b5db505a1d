"""How many times as late as the training set a split is reached: the delay that makes grokking of generalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grokcore.evaluation.survival.kaplan_meier import median_time
from grokcore.evaluation.survival.times import TRAIN, Definition, Reached, times_of

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord

_PARTS = 1000
"""Ratios are counted in thousandths."""


@dataclass(frozen=True)
class Delay:
    """T_split / T_train over runs.

    Attributes:
        median: Kaplan-Meier; `censored` where half the runs take longer than that.
        lowest, highest: of the ratios that were seen; None where none was.
        runs: that memorised; of others there is no ratio.
        reached: of these, how many reached the split.
    """

    median: float | None
    censored: bool
    lowest: float | None
    highest: float | None
    runs: int
    reached: int


def delay_of(runs: Sequence[RunRecord], split: str, definition: Definition = "sustained") -> Delay:
    """The delay of a held-out split; runs that did not get there count as more delayed than they were followed."""
    ratios = [
        Reached(round(_PARTS * time.step / trained.step), time.censored)
        for time, trained in zip(times_of(runs, split, definition), times_of(runs, TRAIN, definition), strict=True)
        if not trained.censored and trained.step > 0
    ]
    if not ratios:
        return Delay(None, False, None, None, 0, 0)
    middle = median_time(ratios)
    seen = [ratio.step / _PARTS for ratio in ratios if not ratio.censored]
    return Delay(
        median=middle.step / _PARTS,
        censored=middle.censored,
        lowest=min(seen, default=None),
        highest=max(seen, default=None),
        runs=len(ratios),
        reached=len(seen),
    )
