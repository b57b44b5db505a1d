"""Simulate the coverage of grokcore's 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ci.calibration.worlds import BUDGETS, TIMES, Floats, Seen, grid, truth
from grokcore.evaluation.survival import (
    Observation,
    common_horizon,
    effect_of,
    kaplan_meier,
    median_interval,
    restricted_mean,
)

LEAST = 0.93
"""Coverage that a printed interval of 95 % has at the very least in simulation."""

SEEDS = (3, 4, 5, 6, 8, 10, 20)


@dataclass(frozen=True)
class Row:
    """One interval in one world.

    Attributes:
        printed: share of the rounds in which there was an interval, on one side at least.
        covered: share of those in which it held the truth.
    """

    interval: str
    times: str
    ends: str
    seeds: int
    printed: float
    covered: float

    @property
    def cells(self) -> list[str]:
        covered = "" if math.isnan(self.covered) else f"{self.covered:.3f}"
        return [self.interval, self.times, self.ends, str(self.seeds), f"{self.printed:.2f}", covered]


def of_one_group(rounds: int, seeds: Sequence[int] = SEEDS, names: Sequence[str] = tuple(TIMES)) -> Iterator[Row]:
    """The median, the restricted mean, and the survival curve at three fixed steps."""
    for name in names:
        true = truth(TIMES[name])
        for ends, budget in BUDGETS.items():
            for early in (False, True):
                yield from _one(
                    name, f"{ends}{', a third early' if early else ''}", true, Seen(budget, early), rounds, seeds
                )


def _one(name: str, ends: str, true: Floats, seen: Seen, rounds: int, seeds: Sequence[int]) -> Iterator[Row]:
    generator = np.random.default_rng(0)
    steps = grid(seen.budget)
    there = steps[np.minimum(np.searchsorted(steps, np.quantile(true, (0.2, 0.5, 0.8))), len(steps) - 1)]
    places = sorted({int(step) for step in there if step < seen.budget})
    middle = float(np.median(true))
    for number in seeds:
        held: dict[str, list[bool]] = {"median": [], "restricted mean": [], "survival": []}
        for _ in range(rounds):
            times = seen(generator, TIMES[name](generator, number))
            low, high = median_interval(times)
            if low is not None or high is not None:
                held["median"].append((low or 0) <= middle <= (math.inf if high is None else high))
            horizon = common_horizon([times])
            mean = restricted_mean(times, horizon)
            if mean.lower is not None and mean.upper is not None:
                held["restricted mean"].append(mean.lower <= float(np.minimum(true, horizon).mean()) <= mean.upper)
            curve = kaplan_meier(times)
            for step in places:
                if step <= curve.last:
                    share = 1 - float(np.searchsorted(true, step, side="right")) / len(true)
                    lower, upper = curve.limits(step)
                    held["survival"].append(lower <= share <= upper)
        for interval, found in held.items():
            each = rounds * (len(places) if interval == "survival" else 1)
            covered = sum(found) / len(found) if found else math.nan
            yield Row(interval, name, ends, number, len(found) / each if each else 0.0, covered)


PAIRS = (
    *((name, name) for name in TIMES),
    ("log-normal .1", "log-normal .6"),
    ("log-normal .6", "log-normal .1"),
    ("log-normal .1", "heavy tails"),
)
"""Shapes of two groups with the same median, times the ratio."""


def of_ratios(rounds: int, seeds: Sequence[int] = (3, 4, 5, 8)) -> Iterator[Row]:
    """The ratio of times of two groups, which is that of their medians."""
    for first, second in PAIRS:
        for ends, budget, ratio in (("none", 10**7, 1.0), ("at 2,400", 2400, 1.5)):
            generator, seen = np.random.default_rng(0), Seen(budget)
            for number in seeds:
                held = []
                for _ in range(rounds):
                    times = (
                        seen(generator, TIMES[first](generator, number)),
                        seen(generator, ratio * TIMES[second](generator, number)),
                    )
                    effect = effect_of(
                        [[Observation(float(side), time, budget) for side in (0, 1) for time in times[side]]]
                    )
                    if effect.lower is not None or effect.upper is not None:
                        upper = math.inf if effect.upper is None else effect.upper
                        held.append((effect.lower or 0.0) <= ratio <= upper)
                covered = sum(held) / len(held) if held else math.nan
                shapes = first if first == second else f"{first} / {second}"
                yield Row(f"ratio of times {ratio:g}", shapes, ends, number, len(held) / rounds, covered)
