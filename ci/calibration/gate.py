"""Simulate promotion rates of the champion's gate: for equal, failing and better candidates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ci.calibration.worlds import Floats, Seen
from grokcore.champions import Challenger, GateRules, SeedResult, judge

BUDGET = 20_000
NOMINAL = 0.025
"""Allowed rate of promotions of candidates without a gain."""

SEEDS = (5, 6, 8, 10)

SPREADS: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "log-normal .1": lambda generator, number: 0.1 * generator.standard_normal(number),
    "log-normal .3": lambda generator, number: 0.3 * generator.standard_normal(number),
    "log-normal .6": lambda generator, number: 0.6 * generator.standard_normal(number),
    "heavy tails": lambda generator, number: np.asarray(0.2 * generator.standard_t(2, number)),
    "bimodal": lambda generator, number: (
        np.where(generator.random(number) < 0.3, math.log(4), 0.0) + 0.1 * generator.standard_normal(number)
    ),
}
"""Logarithms of times to grok, about that of the middle."""


@dataclass(frozen=True)
class Case:
    """A candidate: its times over the champion's, and the share of its seeds that never grok and end at .6."""

    name: str
    factor: float
    failing: float = 0.0


CASES = (
    Case("no better", 1.0),
    Case("as much faster as counts", 0.9),
    Case("twice as fast, 60 % of its seeds fail", 0.5, 0.6),
    Case("twice as fast, 30 % of its seeds fail", 0.5, 0.3),
    Case("twice as fast, 10 % of its seeds fail", 0.5, 0.1),
    Case("0.6 times as long", 0.6),
    Case("twice as fast", 0.5),
    Case("three times as fast", 1 / 3),
)
NO_GAIN = CASES[:3]
"""Cases with a nominal promotion rate of `NOMINAL`: no gain, gain at the margin, failing seeds at the margin."""


@dataclass(frozen=True)
class Row:
    case: str
    times: str
    seeds: int
    paired: bool
    promoted: float
    kept: float

    @property
    def cells(self) -> list[str]:
        pairs = "the same" if self.paired else "others"
        return [self.case, self.times, str(self.seeds), pairs, f"{self.promoted:.3f}", f"{self.kept:.3f}"]


def of_gate(
    rounds: int,
    seeds: Sequence[int] = SEEDS,
    cases: Sequence[Case] = CASES,
    spreads: Sequence[str] = tuple(SPREADS),
) -> Iterator[Row]:
    """Seeds that both sides have in common share half the variance of their times."""
    rules = GateRules()
    for case in cases:
        for times in spreads:
            for number in seeds:
                for paired in (False, True):
                    generator = np.random.default_rng(0)
                    verdicts: Counter[str] = Counter()
                    for _ in range(rounds):
                        champion, candidate = _sides(generator, SPREADS[times], case, number, paired)
                        verdicts[judge(candidate, champion, rules).verdict] += 1
                    promoted, kept = verdicts["promote"] / rounds, verdicts["keep"] / rounds
                    yield Row(case.name, times, number, paired, promoted, kept)


def _sides(
    generator: np.random.Generator,
    spread: Callable[[np.random.Generator, int], Floats],
    case: Case,
    number: int,
    paired: bool,
) -> tuple[Challenger, Challenger]:
    shared = spread(generator, number)
    sides = []
    for name, factor, failing in (("champion", 1.0, 0.0), ("candidate", case.factor, case.failing)):
        own = spread(generator, number)
        times = 2500 * factor * np.exp((shared + own) / math.sqrt(2) if paired else own)
        fails = generator.random(number) < failing
        accuracies = np.where(fails, 0.6, 0.995 - 0.003 * np.abs(generator.standard_normal(number)))
        first = 0 if paired or name == "champion" else 1000
        sides.append(_challenger(generator, name, first, np.where(fails, 10.0 * BUDGET, times), accuracies))
    return sides[0], sides[1]


def _challenger(generator: np.random.Generator, name: str, first: int, times: Floats, accuracies: Floats) -> Challenger:
    seeds = [
        SeedResult(
            seed=first + place,
            init_seed=first + place,
            order_seed=first + place,
            run_id=f"{name}-{place}",
            steps=time.step,
            after=time.after,
            reached=not time.censored,
            accuracy=float(accuracy),
            ended=True,
            finite=True,
        )
        for place, (time, accuracy) in enumerate(zip(Seen(BUDGET)(generator, times), accuracies, strict=True))
    ]
    return Challenger(
        name=name,
        split="test",
        threshold=0.99,
        task_id="task",
        evaluation_id="rules",
        dataset_id="data",
        experiment_id=name,
        seeds=tuple(seeds),
    )
