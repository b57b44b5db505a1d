"""At most one verdict in twenty is false, whatever seeds and settings share: `ci/calibrate claims` in short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ci.calibration.claim_cases import CASES, Case
from ci.calibration.claims import Design, rate
from grokcore.claims.predicates import KINDS, Every

FAST = [case for case in CASES if not case.tests_times and not case.looks_at_journals]
SLOW = [case for case in CASES if case.tests_times]
LOOKS = [case for case in CASES if case.looks_at_journals]
SHORT = (
    Design(5),
    Design(5, settings=3, boundary=3, shared=True),
    Design(5, settings=3, boundary=1, shared=True),
    Design(5, draws=2, shared=True),
)


def name(case: Case) -> str:
    return f"{case.name} {case.false}".replace(" ", "-")


def test_every_kind_of_predicate_is_simulated() -> None:
    kinds = {type(case.predicate) for case in CASES}
    kinds |= {type(part) for case in CASES if isinstance(case.predicate, Every) for part in case.predicate.parts}
    assert kinds == set(KINDS)


def check(case: Case, designs: tuple[Design, ...], rounds: int) -> None:
    for design in designs:
        found = rate(case, design, rounds)
        assert found.share <= found.limit, design


@pytest.mark.parametrize("case", FAST, ids=name)
def test_verdicts_are_false_no_more_often_than_alpha_says(case: Case) -> None:
    check(case, (*SHORT, Design(3), Design(8)), 60)


@pytest.mark.parametrize("case", LOOKS, ids=name)
def test_verdicts_on_whole_curves_are_false_no_more_often_than_alpha_says(case: Case) -> None:
    check(case, SHORT[:3:2], 40)


@pytest.mark.parametrize("case", SLOW, ids=name)
def test_verdicts_on_times_are_false_no_more_often_than_alpha_says(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.evaluation.survival.permutation.MOST_EXACT", 300)
    monkeypatch.setattr("grokcore.evaluation.survival.permutation.DRAWN", 300)
    check(case, SHORT[1:], 30)


def test_the_simulation_finds_seeds_that_are_counted_once_for_each_setting() -> None:
    """Three seeds in two settings, taken for six: wrong in an eighth of all rounds."""
    case = next(case for case in CASES if case.name.startswith("groks") and case.false == "supported")
    (side,) = case.sides
    pooled = replace(case, sides=[lambda numbers, setting, draw: side(np.tile(numbers, 2), setting, draw)])
    honest, naive = rate(case, Design(3, settings=2, boundary=2, shared=True), 400), rate(pooled, Design(3), 400)
    assert honest.share == 0
    assert naive.share > naive.limit
