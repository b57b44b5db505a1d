"""Gains of a second training on new facts: accuracies before and after it, and differences between two starts.

A split of chains of new facts is answered above chance before any new fact is seen (arXiv 2601.09049 does not subtract
this), so that what counts is the gain over step 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from statistics import median

from grokcore.evaluation.phases import accuracy_of, steps_of
from grokcore.runs.record import RunRecord

NEW_FACTS = "atomic_new"
"""The training split of every task with new facts that holds these."""
LEARNT = 0.99
"""Accuracy from which the new facts count as learnt."""


def learns_new_facts(run: RunRecord) -> bool:
    """Whether a run is a second training, which adds new facts to those of a first."""
    return NEW_FACTS in run.evaluation.splits


@dataclass(frozen=True)
class Gain:
    """Accuracies on a split, one per seed.

    Attributes:
        before: at step 0.
        lowest: the lowest at any evaluation, which shows what was forgotten on the way.
        after: at the last evaluation.
    """

    before: tuple[float, ...]
    lowest: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def gained(self) -> tuple[float, ...]:
        """Accuracy after less accuracy before, one per seed."""
        return tuple(after - before for before, after in zip(self.before, self.after, strict=True))


def gain_of(runs: Sequence[RunRecord], split: str) -> Gain:
    """Collect the accuracies of a group's runs; those without the split, or any accuracy on it, are left out."""
    having = [run for run in runs if split in run.evaluation.splits]
    curves = [[value for value in accuracy_of(run.journal, split) if value is not None] for run in having]
    known = [curve for curve in curves if curve]
    return Gain(
        tuple(curve[0] for curve in known), tuple(min(curve) for curve in known), tuple(curve[-1] for curve in known)
    )


def steps_to_learn(run: RunRecord) -> int | None:
    """Return the first evaluated step with `LEARNT` of the new facts, or None."""
    found = zip(steps_of(run.journal), accuracy_of(run.journal, NEW_FACTS), strict=True)
    return next((step for step, accuracy in found if accuracy is not None and accuracy >= LEARNT), None)


@dataclass(frozen=True)
class Shift:
    """How much higher the values of one sample are than those of another.

    Attributes:
        estimate: median of all differences between them (Hodges and Lehmann 1963).
        lower, upper: limits of at least 95 %; None of too few seeds.
    """

    estimate: float
    lower: float | None
    upper: float | None


def shift_between(values: Sequence[float], reference: Sequence[float], *, level: float = 0.95) -> Shift:
    """Return the shift of `values` against `reference`, with limits that invert the exact Mann-Whitney test.

    They hold for any distribution, if one sample is distributed as the other but for a shift. Ties make them wider.

    Args:
        values: at least one; likewise `reference`.
    """
    differences = sorted(value - other for value in values for other in reference)
    outside = _outside(len(values), len(reference), (1 - level) / 2)
    if not outside:
        return Shift(median(differences), None, None)
    return Shift(median(differences), differences[outside - 1], differences[-outside])


def _outside(first: int, second: int, tail: float) -> int:
    """Return the largest c with P(U < c) <= tail, U the Mann-Whitney statistic of two equal distributions."""
    total, below, count = comb(first + second, first), 0, 0
    while (below := below + _ways(first, second, count)) <= tail * total:
        count += 1
    return count


@cache
def _ways(first: int, second: int, statistic: int) -> int:
    """Count the orders of two samples with this Mann-Whitney statistic (Mann and Whitney 1947, equation 1)."""
    if statistic < 0:
        return 0
    if not first or not second:
        return int(statistic == 0)
    return _ways(first - 1, second, statistic - second) + _ways(first, second - 1, statistic)
