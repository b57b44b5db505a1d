"""Arms of a sweep against its baseline: speedups with limits that cover, controls, and who is ranked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from grokcore.evaluation.speedups import ArmRuns, SpeedupReport, ranked, short_names, speedup_report
from grokcore.evaluation.survival import EventTime, Observation, effect_of
from grokcore.evaluation.survival.contrast import Ends
from grokcore.runs.record import RunRecord
from tests.evaluation.test_units import SOURCE, SPLIT, run

TIMES = [400 + 30 * seed for seed in range(5)]


def runs(times: Sequence[int | None], **costs: Any) -> list[RunRecord]:
    return [run(seed, at=at, **costs) for seed, at in enumerate(times)]


def report(*arms: ArmRuns) -> SpeedupReport:
    found = speedup_report("made-up", "adamw", [ArmRuns("adamw", runs(TIMES)), *arms])
    assert found is not None
    return found


def test_a_method_pays_for_its_steps_in_every_unit() -> None:
    fast = runs([step // 2 for step in TIMES], flops=3e9, seconds=0.03)
    (_, arm) = report(ArmRuns("muon", fast)).arms
    found = arm.splits[SPLIT]
    expected = {"steps": 2.0, "examples": 2.0, "flops": 2 / 3, "seconds": 4 / 3, "cpu_seconds": 4 / 3}
    assert {unit: one.ratio for unit, one in found.speedups.items()} == pytest.approx(expected, rel=0.15)
    for unit, one in found.speedups.items():
        assert one.lower is not None
        assert one.upper is not None
        assert one.lower < expected[unit] < one.upper
    assert (found.seeds, found.sustained, found.sooner, found.later) == (5, 5, 5, 0)
    assert found.median["flops"] == (found.median["steps"] or 0) * 3e9


def test_what_a_method_starts_from_is_charged() -> None:
    fast = [step // 2 for step in TIMES]
    (_, free) = report(ArmRuns("transfer", runs(fast))).arms
    (_, charged) = report(ArmRuns("transfer", runs(fast, source=SOURCE))).arms
    first, second = (arm.splits[SPLIT].speedups["steps"].ratio for arm in (free, charged))
    assert first is not None
    assert second is not None
    assert first > 1.8
    assert second < 1.1


def test_seeds_that_never_get_there_are_kept() -> None:
    (_, some, none) = report(ArmRuns("some", runs([500, *[None] * 4])), ArmRuns("none", runs([None] * 5))).arms
    assert (some.splits[SPLIT].sustained, some.splits[SPLIT].later) == (1, 5)
    steps = none.splits[SPLIT].speedups["steps"]
    assert (steps.ratio, steps.lower) == (None, None)
    assert steps.upper is not None
    assert steps.upper < 0.8
    assert none.splits[SPLIT].median == {}


def test_methods_are_ranked_by_cpu_seconds_with_their_controls_and_held_out_data_never() -> None:
    held_out = [
        run(seed, overrides=[f"training.freeze_on=[{{phase: onset, split: {SPLIT}, roles: [head]}}]"], at=100)
        for seed in range(5)
    ]
    found = report(
        ArmRuns("slow", runs(TIMES, seconds=0.03)),
        ArmRuns("fast", runs([step // 2 for step in TIMES], seconds=0.021), controls=("control", "lever", "absent")),
        ArmRuns("control", runs([step - 50 for step in TIMES])),
        ArmRuns("lever", runs([step - 20 for step in TIMES]), controls=()),
        ArmRuns("freeze", held_out),
        ArmRuns("waiting", []),
    )
    assert [(arm.name, arm.place) for arm in found.arms] == [
        ("adamw", "baseline"),
        ("slow", "method"),
        ("fast", "method"),
        ("control", "control"),
        ("lever", "method"),
        ("freeze", "held_out"),
    ]
    assert [(arm.name, [one.name for one in controls]) for arm, controls in ranked(found)] == [
        ("fast", ["control", "lever"]),
        ("lever", []),
        ("slow", []),
    ]


def test_without_a_baseline_there_is_nothing_to_hold_against() -> None:
    assert speedup_report("made-up", "adamw", [ArmRuns("muon", runs(TIMES)), ArmRuns("adamw", [])]) is None
    assert speedup_report("made-up", "adamw", [ArmRuns("adamw", runs(TIMES))]) is None


def test_names_of_points_are_short_where_all_vary_one_thing() -> None:
    assert short_names(["method=adamw", "method=muon"]) == ("method", {"method=adamw": "adamw", "method=muon": "muon"})
    for names in (["method=a", "task=b"], ["method=a,task=b", "method=c,task=b"], ["adamw", "muon"]):
        assert short_names(names) == ("point", {name: name for name in names})


def covered(spread: float, growth: float, budget: int, ends: Ends, *, ratio: float = 2.0, rounds: int = 60) -> float:
    """Share of rounds whose limits hold the true ratio of times.

    Eight seeds against eight, log-normal times around 330 and 660, seen at evaluations that lie a factor `growth` apart
    and censored at `budget`.
    """
    generator = np.random.default_rng(0)
    grid = [0, *np.unique(np.ceil(100 * growth ** np.arange(math.log(100, growth)))).astype(int)]
    held = 0
    for _ in range(rounds):
        sample = []
        for side, middle in enumerate((330.0, 330.0 * ratio)):
            for time in middle * np.exp(generator.normal(0, spread, 8)):
                place = int(np.searchsorted(grid, time))
                seen = EventTime(int(grid[place]), after=int(grid[place - 1]))
                sample.append(
                    Observation(side, seen if seen.step <= budget else EventTime(budget, censored=True), budget)
                )
        effect = effect_of([sample], ends=ends)
        held += (effect.lower or 0.0) <= ratio <= (math.inf if effect.upper is None else effect.upper)
    return held / rounds


@pytest.mark.parametrize("growth", [1.02, 1.25])
@pytest.mark.parametrize("spread", [0.03, 0.4])
def test_limits_of_eight_seeds_cover_with_censoring_and_between_evaluations(spread: float, growth: float) -> None:
    """At 95 %, fewer than 53 of 60 would be seen once in a hundred simulations."""
    assert covered(spread, growth, budget=780, ends="any") >= 53 / 60


def test_limits_at_the_same_end_would_not_cover_where_evaluations_are_far_apart() -> None:
    assert covered(0.03, 1.25, budget=780, ends="same") < 0.5
