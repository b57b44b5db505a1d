"""Rounds in which one verdict of a predicate would be false, at the boundary where it is most likely to be made.

Each case draws the runs of one setting, from a standard normal number per unit and side. A verdict on several settings
is false if it is so of one: settings where the claim clearly holds (or does not) stand beside those at the boundary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from ci.calibration.claim_runs import ANALYSIS, ATOMIC, METRIC, OOD, run, stratum
from grokcore.claims.base import Decision, Stratum
from grokcore.claims.predicates import (
    ChangesTime,
    Every,
    GeneralizesMore,
    Groks,
    IsUnstable,
    NeverGroks,
    PeaksEarly,
    Predicate,
    Shows,
    TransfersLittle,
)
from grokcore.runs.record import RunRecord

Floats = npt.NDArray[np.float64]
Setting = Literal["boundary", "holds", "fails"]
Draw = Callable[[Floats, Setting, int], list[RunRecord]]
"""Runs of one side of a setting: from a number per seed, on a draw of the data."""

LONG = 2000


@dataclass(frozen=True)
class Case:
    """A predicate, and how runs are drawn for it.

    Attributes:
        false: the decision that is wrong at the boundary.
        sides: one function per side; those of a claim about single groups have one.
        beside: what the other settings are, where one is at the boundary.
    """

    name: str
    predicate: Predicate
    false: Decision
    sides: Sequence[Draw]
    over: Literal["every", "some"] = "every"

    @property
    def looks_at_journals(self) -> bool:
        return isinstance(self.predicate, PeaksEarly | IsUnstable | TransfersLittle)

    @property
    def tests_times(self) -> bool:
        return isinstance(self.predicate, ChangesTime)

    @property
    def beside(self) -> Setting:
        return "holds" if self.over == "every" else "fails"

    def comparison(self, numbers: Sequence[Sequence[Floats]], setting: Setting, label: str) -> Stratum:
        """Runs of one setting, on as many draws of the data as `numbers` of a side has rows."""
        sides = [
            [one for draw, row in enumerate(rows) for one in side(row, setting, draw)]
            for side, rows in zip(self.sides, numbers, strict=True)
        ]
        return stratum(*sides, label=label)


def _share(boundary: float, holds: float = 1.0, fails: float = 0.0, *, low: int = 300, followed: int = LONG) -> Draw:
    """Runs of which such a share groks, at step `low`."""
    shares = {"boundary": boundary, "holds": holds, "fails": fails}

    def draw(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
        limit = _quantile(shares[setting])
        return [
            run(seed, at=low if number < limit else None, followed=followed, draw=data)
            for seed, number in enumerate(numbers)
        ]

    return draw


def _curves(
    boundary: float, yes: Callable[[int], float], no: Callable[[int], float], holds: float, fails: float
) -> Draw:
    """Runs of which such a share has one curve and the others another; all grok at step 600."""
    shares = {"boundary": boundary, "holds": holds, "fails": fails}

    def draw(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
        limit = _quantile(shares[setting])
        return [
            run(seed, at=600, followed=1000, curve=yes if number < limit else no, draw=data)
            for seed, number in enumerate(numbers)
        ]

    return draw


def _answers(boundary: float, answer: Callable[[int, bool, int], RunRecord]) -> Draw:
    """Runs of which such a share answers yes: `answer` makes the run of a seed, with its answer, on a draw."""
    shares = {"boundary": boundary, "holds": 1.0, "fails": 0.0}

    def draw(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
        limit = _quantile(shares[setting])
        return [answer(seed, bool(number < limit), data) for seed, number in enumerate(numbers)]

    return draw


def _analyzed(seed: int, yes: bool, data: int) -> RunRecord:
    return run(seed, at=300, followed=LONG, draw=data, headline=1.0 if yes else 0.0)


def _second(seed: int, yes: bool, data: int) -> RunRecord:
    """A second training that gains little if `yes`."""
    return run(seed, at=None, followed=LONG, draw=data, first=LONG, curve=_flat if yes else _plain)


def _flat(step: int) -> float:
    return 0.45


def _times(boundary: float, holds: float = 1.0, fails: float = 1.0, *, followed: int = LONG) -> Draw:
    """Log-normal times around 1000 steps times a ratio."""
    ratios = {"boundary": boundary, "holds": holds, "fails": fails}

    def draw(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
        times = 1000 * ratios[setting] * np.exp(0.3 * numbers) * (1 + data)
        return [run(seed, at=time, followed=followed, draw=data) for seed, time in enumerate(times)]

    return draw


def _reference(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
    """Log-normal times around 100 steps: what sets a budget."""
    times = 100 * np.exp(0.3 * numbers)
    return [run(seed, at=time, followed=LONG * 5, draw=data) for seed, time in enumerate(times)]


def _three_times(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
    """At the boundary distributed as three times the reference; ended at once where the budget could end."""
    if setting == "holds":
        return [run(seed, at=None, followed=LONG, draw=data) for seed in range(len(numbers))]
    times = 300 * np.exp(0.3 * numbers)
    return [run(seed, at=time if time < 300 else None, followed=LONG, draw=data) for seed, time in enumerate(times)]


def _in_budget(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
    """Of which half grok by any budget."""
    return _share(0.5, holds=0.0)(numbers, setting, data)


def _accuracies(gain: float, holds: float = 0.3, fails: float = -0.3, *, most: float = 1.0) -> Draw:
    """Final accuracies around .7, cut off at `most` so that some are the same."""
    gains = {"boundary": gain, "holds": holds, "fails": fails}

    def draw(numbers: Floats, setting: Setting, data: int) -> list[RunRecord]:
        values = np.clip(0.7 + gains[setting] + 0.05 * numbers, 0, most)
        return [
            run(seed, at=None, followed=LONG, accuracy=float(value), draw=data) for seed, value in enumerate(values)
        ]

    return draw


def _quantile(share: float) -> float:
    return NormalDist().inv_cdf(share) if 0 < share < 1 else math.inf * (1 if share else -1)


@lru_cache
def _peak(step: int) -> float:
    if step <= 30:
        return 0.88 if step >= 25 else 0.45
    return 0.8 if step < 600 else 1.0


@lru_cache
def _plain(step: int) -> float:
    return 0.45 if step < 600 else 1.0


@lru_cache
def _wobbling(step: int) -> float:
    return 0.5 if step < 20 else 0.9 + 0.09 * math.cos(5 * math.log(step))


def _steady(step: int) -> float:
    return 0.5 if step < 20 else 1.0


_SHOWS = Shows(what="show it", analysis=ANALYSIS, metrics=(METRIC,), split=OOD, of="last", at_least=0.9)
_LITTLE = TransfersLittle(splits=(OOD,), at_most=0.1)
_LATER = ChangesTime(direction="later", split=OOD)
_NEVER = NeverGroks(split=OOD)
_UNSTABLE = IsUnstable(split=ATOMIC)
_MORE = GeneralizesMore(split=OOD)
_BOTH = Every(parts=(Groks(splits=(OOD,), side="second"), NeverGroks(split=OOD, side="first", budget=1.0)))
_REFERENCE_TIMES = _times(1.0)
_BASE = _accuracies(0.0, 0.0, 0.0)

CASES = (
    Case("groks: half of all runs do", Groks(splits=(OOD,)), "supported", [_share(0.5)]),
    Case("groks: half of all runs do", Groks(splits=(OOD,)), "contradicted", [_share(0.501)]),
    Case("shows: half of all runs do", _SHOWS, "supported", [_answers(0.5, _analyzed)]),
    Case("shows: half of all runs do", _SHOWS, "contradicted", [_answers(0.501, _analyzed)]),
    Case("transfers little: half do", _LITTLE, "supported", [_answers(0.5, _second)]),
    Case("transfers little: half do", _LITTLE, "contradicted", [_answers(0.501, _second)]),
    Case("never groks: three times the reference", _NEVER, "supported", [_reference, _three_times]),
    Case("never groks: half do", _NEVER, "supported", [_reference, _in_budget]),
    Case("later: no difference", _LATER, "supported", [_REFERENCE_TIMES, _times(1.0, holds=4.0)]),
    Case(
        "later: no difference, censored at 1.2 medians",
        _LATER,
        "supported",
        [_times(1.0, followed=1200), _times(1.0, holds=4.0, followed=1200)],
    ),
    Case("later: 1.1 times", _LATER, "contradicted", [_REFERENCE_TIMES, _times(1.1, holds=4.0)]),
    Case(
        "later at three doses: no difference",
        _LATER,
        "supported",
        [_REFERENCE_TIMES, _times(1.0, holds=2.0), _times(1.0, holds=4.0, followed=8 * LONG)],
    ),
    Case(
        "sooner: no difference",
        ChangesTime(direction="sooner", split=OOD),
        "supported",
        [_REFERENCE_TIMES, _times(1.0, holds=0.25)],
    ),
    Case(
        "no sooner: 1 / 1.25 times",
        ChangesTime(direction="no_sooner", split=OOD),
        "supported",
        [_REFERENCE_TIMES, _times(0.8, holds=4.0)],
    ),
    Case(
        "alike: 1.25 times",
        ChangesTime(direction="alike", split=OOD),
        "supported",
        [_REFERENCE_TIMES, _times(1.25, holds=1.0)],
    ),
    Case(
        "alike: 1.25 times",
        ChangesTime(direction="alike", split=OOD),
        "contradicted",
        [_REFERENCE_TIMES, _times(1.25, holds=1.0)],
    ),
    Case("generalizes more: no difference", _MORE, "supported", [_BASE, _accuracies(0.0)]),
    Case(
        "generalizes more: no difference, half of them perfect",
        _MORE,
        "supported",
        [_accuracies(0.0, 0.0, 0.0, most=0.7), _accuracies(0.0, most=0.7)],
    ),
    Case("generalizes more: by .01", _MORE, "contradicted", [_BASE, _accuracies(0.01)]),
    Case("peaks early: half do", PeaksEarly(split=OOD), "supported", [_curves(0.5, _peak, _plain, 1.0, 0.0)]),
    Case("peaks early: half do", PeaksEarly(split=OOD), "contradicted", [_curves(0.501, _peak, _plain, 1.0, 0.0)]),
    Case(
        "unstable: half, against none",
        _UNSTABLE,
        "supported",
        [_curves(0.0, _wobbling, _steady, 0.0, 0.0), _curves(0.5, _wobbling, _steady, 1.0, 0.0)],
    ),
    Case(
        "unstable: all, against all",
        _UNSTABLE,
        "supported",
        [_curves(1.0, _wobbling, _steady, 0.0, 0.0), _curves(1.0, _wobbling, _steady, 1.0, 0.0)],
    ),
    Case(
        "unstable: all, against half",
        _UNSTABLE,
        "contradicted",
        [_curves(0.5, _wobbling, _steady, 0.0, 0.0), _curves(1.0, _wobbling, _steady, 1.0, 0.0)],
    ),
    Case("every: groks (half do) and never", _BOTH, "supported", [_share(0.0, 0.0, 0.0), _share(0.5)]),
    Case("every: groks (half do) and never", _BOTH, "contradicted", [_share(0.0, 0.0, 0.0), _share(0.501)]),
    Case(
        "some setting is later: none is",
        _LATER,
        "supported",
        [_REFERENCE_TIMES, _times(1.0, fails=0.25)],
        over="some",
    ),
    Case(
        "some setting is later: by 1.1 times",
        _LATER,
        "contradicted",
        [_REFERENCE_TIMES, _times(1.1, fails=0.25)],
        over="some",
    ),
)
