"""Made-up experiments whose true times to grok are known: distributions, budgets, and a grid of evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from grokcore.evaluation.phases import next_evaluation
from grokcore.evaluation.survival import EventTime
from grokcore.spec import EvaluationSpec

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

MIDDLE = 2000.0
"""Steps: the median of every distribution but the bimodal one."""


def lognormal(sigma: float) -> Draw:
    return lambda generator, number: MIDDLE * np.exp(sigma * generator.standard_normal(number))


def _heavy(generator: np.random.Generator, number: int) -> Floats:
    """Logarithms by Student's t of 2 degrees of freedom."""
    return np.asarray(MIDDLE * np.exp(0.3 * generator.standard_t(2, number)))


def _bimodal(generator: np.random.Generator, number: int) -> Floats:
    """Three seeds in ten take five times as long."""
    slow = np.where(generator.random(number) < 0.3, 5.0, 1.0)
    return np.asarray(MIDDLE * slow * np.exp(0.1 * generator.standard_normal(number)))


TIMES: Mapping[str, Draw] = {
    "log-normal .1": lognormal(0.1),
    "log-normal .3": lognormal(0.3),
    "log-normal .6": lognormal(0.6),
    "heavy tails": _heavy,
    "bimodal": _bimodal,
}
"""Times to grok in steps, before anything is cut off."""

BUDGETS: Mapping[str, int] = {"none": 10**7, "at 2,400": 2400, "at 1,800": 1800}
"""Steps at which all runs of a group end: at 2,400 some never grok, at 1,800 most."""


@lru_cache
def grid(budget: int) -> Floats:
    """The steps of evaluation, as a spec has them by default."""
    steps, rules = [0], EvaluationSpec()
    while steps[-1] < budget:
        steps.append(min(budget, next_evaluation(steps[-1], rules)))
    return np.array(steps, dtype=float)


@dataclass(frozen=True)
class Seen:
    """Censor true times: at a budget, or some of them early at random."""

    budget: int
    early: bool = False

    def __call__(self, generator: np.random.Generator, times: Floats) -> list[EventTime]:
        steps = grid(self.budget)
        ends = np.full(len(times), float(self.budget))
        if self.early:  # a third of the runs is lost somewhere before
            lost = generator.random(len(times)) < 1 / 3
            ends = np.where(lost, generator.uniform(0.3, 1.0, len(times)) * min(self.budget, 2 * MIDDLE), ends)
        return [self._seen(float(time), float(end), steps) for time, end in zip(times, ends, strict=True)]

    def _seen(self, time: float, end: float, steps: Floats) -> EventTime:
        last = int(np.searchsorted(steps, end, side="right")) - 1
        place = int(np.searchsorted(steps, time, side="left"))
        if place > last:
            return EventTime(int(steps[last]), censored=True)
        return EventTime(int(steps[place]), after=int(steps[max(place - 1, 0)]))


def truth(draw: Draw, number: int = 400_000) -> Floats:
    """Many true times, ascending."""
    return np.sort(draw(np.random.default_rng(math.prod((7, 11, 13))), number))
