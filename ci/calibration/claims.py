"""Simulate error rates of verdicts on claims."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ci.calibration.claim_cases import CASES, Case, Floats, Setting
from grokcore.claims.combining import decide
from grokcore.claims.conditions import Factor, TwoLevelFactor
from grokcore.evaluation.survival import permutation

ALPHA = 0.05
SEEDS = (3, 5, 8)
_FACTOR: Factor = TwoLevelFactor(first=(), second=(), names=("first", "second"))


@dataclass(frozen=True)
class Design:
    """The simulated experiments.

    Attributes:
        seeds: in each group.
        settings: in which the groups are compared.
        draws: of the data, on each of which every seed is trained.
        shared: whether seeds have the same luck in every setting and on every draw, and half of it on every side; or
            none in common.
        boundary: settings in which the verdict would be false; in the others the claim clearly holds (of a claim that
            some setting shows, it clearly does not).
    """

    seeds: int
    settings: int = 1
    draws: int = 1
    shared: bool = False
    boundary: int = 1


@dataclass(frozen=True)
class Rate:
    """Rounds, and in how many of them the false verdict was given."""

    case: Case
    design: Design
    rounds: int
    false: int

    @property
    def share(self) -> float:
        return self.false / self.rounds

    @property
    def limit(self) -> float:
        """Bound below which a rate of `ALPHA` stays in 999 of 1000 simulations."""
        return ALPHA + 3.1 * math.sqrt(ALPHA * (1 - ALPHA) / self.rounds)


DESIGNS = tuple(
    design
    for seeds in SEEDS
    for design in (
        Design(seeds),
        Design(seeds, settings=3, boundary=3),
        Design(seeds, settings=3, boundary=3, shared=True),
        Design(seeds, settings=3, boundary=1, shared=True),
        Design(seeds, draws=2, shared=True),
    )
)


def rate(case: Case, design: Design, rounds: int) -> Rate:
    """The error rate of a case; equal arguments draw the same rounds."""
    generator = np.random.default_rng(zlib.crc32(f"{case.name} {case.false} {design}".encode()))
    false = sum(_decision(case, design, generator) == case.false for _ in range(rounds))
    return Rate(case, design, rounds, false)


def _decision(case: Case, design: Design, generator: np.random.Generator) -> str:
    numbers = _numbers(case, design, generator)
    comparisons = [
        case.comparison(
            [side[place] for side in numbers],
            _setting(case, design, place),
            str(place),
        )
        for place in range(design.settings)
    ]
    return decide(case.predicate, _FACTOR, comparisons, ALPHA, case.over).decision


def _setting(case: Case, design: Design, place: int) -> Setting:
    return "boundary" if place < design.boundary else case.beside


def _numbers(case: Case, design: Design, generator: np.random.Generator) -> list[list[list[Floats]]]:
    """Per side and setting, a standard normal number for every draw (rows) and seed (columns)."""
    shape = (design.settings, design.draws, design.seeds)
    if not design.shared:
        return [[list(setting) for setting in generator.standard_normal(shape)] for _ in case.sides]
    common = generator.standard_normal(design.seeds)
    own = [generator.standard_normal(design.seeds) for _ in case.sides]
    return [[[(common + one) / math.sqrt(2)] * design.draws] * design.settings for one in own]


HEAD = ("case", "false verdict", "seeds", "1 setting", "3 settings", "3, same luck", "1 of 3", "2 draws")
"""Of a table: 3 settings at the boundary, with seeds of their own or of the same luck; one of 3; 2 draws of data."""


def of_claims(rounds: int) -> Iterator[tuple[list[str], list[Rate]]]:
    """A row for each case and number of seeds, and its rates.

    Exact tests of more than 1,000 exchanges draw as many, for their time's sake: a test of its own, as exact.
    """
    with _drawn(1000):
        for case in CASES:
            for seeds in SEEDS:
                undecidable = case.tests_times and len(case.sides) == 2 and seeds == 3  # by the fewest exchanges
                number = max(1, rounds // 10) if undecidable else rounds
                found = [rate(case, design, number) for design in DESIGNS if design.seeds == seeds]
                cells = [f"{one.share:.3f}".removeprefix("0") for one in found]
                yield [case.name, case.false, str(seeds), *cells], found


@contextmanager
def _drawn(exchanges: int) -> Iterator[None]:
    """Tests that draw so many exchanges where there are more."""
    before = permutation.MOST_EXACT, permutation.DRAWN
    permutation.MOST_EXACT = permutation.DRAWN = exchanges
    try:
        yield
    finally:
        permutation.MOST_EXACT, permutation.DRAWN = before
