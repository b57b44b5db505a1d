"""Times to grok in five units: read off the journal, with the cost of what a run starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from grokcore.evaluation.survival import EventTime, compare
from grokcore.evaluation.units import UNITS, TimeUnit, cost_at, in_ticks, is_known
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec
from tests.evaluation.made_up import Rise, record

SPLIT = "test"
SOURCE: dict[str, Any] = {
    "uri": "/made-up/source",
    "sha256": "0" * 64,
    "run_id": "0" * 16,
    "steps": 300,
    "examples": 30_000,
    "flops": 7e9,
    "seconds": 4.0,
    "cpu_seconds": 3.0,
    "uses_held_out": False,
}


def run(seed: int = 0, at: int | None = 500, overrides: Sequence[str] = (), **costs: Any) -> RunRecord:
    """A run of `modular` that generalizes at about the step `at`, or never."""
    budget = ["training.max_steps=1000", "training.schedule=constant", "training.schedule_steps=null"]
    spec = load_spec("modular", [*budget, f"seed={seed}", *overrides])
    return record(spec, Rise(50), {SPLIT: Rise(at)}, **costs)


def costs(found: RunRecord, step: int) -> dict[TimeUnit, float | None]:
    return {unit: cost_at(found, step, unit) for unit in UNITS}


@pytest.mark.parametrize("step", [0, 100, 437, 1000, 1500])
def test_each_unit_is_read_off_the_journal_between_and_beyond_its_evaluations(step: int) -> None:
    found = run(flops=2e9, seconds=0.5)
    batch = found.spec.training.batch_size
    assert costs(found, step) == pytest.approx(
        {
            "steps": step,
            "examples": step * batch,
            "flops": step * 2e9,
            "seconds": step / 2,
            "cpu_seconds": step / 4,
        }
    )


def test_what_a_run_starts_from_is_added() -> None:
    found = run(source=SOURCE)
    plain = costs(run(), 200)
    for unit, cost in costs(found, 200).items():
        assert cost == pytest.approx((plain[unit] or 0) + SOURCE[unit])
    assert in_ticks(found, EventTime(200, after=100), "steps") == EventTime(500, after=400)
    unknown = run(source={**SOURCE, "seconds": None})
    assert [unit for unit in UNITS if not is_known(unknown, unit)] == ["seconds"]


def test_a_journal_of_an_earlier_version_has_no_cpu_seconds() -> None:
    found = run()
    for line in found.journal:
        del line["clock"]["cpu_seconds"]
    assert [unit for unit in UNITS if not is_known(found, unit)] == ["cpu_seconds"]
    with pytest.raises(ValueError, match="did not count CPU seconds"):
        in_ticks(found, EventTime(100), "cpu_seconds")


@pytest.mark.parametrize(("unit", "ratio"), [("steps", 0.5), ("examples", 0.5), ("flops", 1.5), ("seconds", 1.0)])
def test_a_ratio_of_times_has_the_price_of_a_step_in_it(unit: TimeUnit, ratio: float) -> None:
    """Half the steps at three times the FLOPs and twice the seconds."""
    plain = [run(seed, at=400 + 30 * seed) for seed in range(5)]
    fast = [run(seed, at=200 + 15 * seed, flops=3e9, seconds=0.04) for seed in range(5)]
    contrast = compare(plain, fast, SPLIT, unit=unit)
    assert contrast is not None
    assert contrast.effect.ratio == pytest.approx(ratio, rel=0.15)
    assert contrast.effect.lower is not None
    assert contrast.effect.upper is not None
    assert contrast.effect.lower < ratio < contrast.effect.upper
