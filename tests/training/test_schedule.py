"""The learning rate: each schedule against its definition, and drops that wait for what a run shows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, TrainingSpec, load_spec
from grokcore.spec.schedule import learning_rate_at, phase_drops
from tests.support.checks import without_clock

EARLY = [
    "training.schedule=phase",
    "training.drop_on=[{phase: memorized}, {phase: sustained, split: test_inferred_iid}]",
    "training.drop_factor=0.5",
    "training.warmup_steps=0",
    "evaluation={interval: 2, threshold: 0.25}",
    "training.max_steps=30",
]
"""A threshold that is reached at once, so that the drops come within a few steps."""


def test_warm_up_and_schedules() -> None:
    base = {"learning_rate": 1.0, "warmup_steps": 10}
    constant = TrainingSpec(**base)
    assert [learning_rate_at(step, constant) for step in (0, 4, 9, 10, 10**6)] == [0.1, 0.5, 1.0, 1.0, 1.0]
    linear = TrainingSpec(**base, schedule="linear", schedule_steps=110, schedule_floor=0.2)
    assert [learning_rate_at(step, linear) for step in (10, 60, 110, 999)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    cosine = TrainingSpec(**base, schedule="cosine", schedule_steps=110)
    expected = [1.0, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0.0, 0.0]
    assert [learning_rate_at(step, cosine) for step in (10, 35, 60, 110, 999)] == pytest.approx(expected)
    drops = TrainingSpec(**base, schedule="step", drop_steps=(100, 200), drop_factor=0.1)
    assert [learning_rate_at(step, drops) for step in (99, 100, 200)] == pytest.approx([1.0, 0.1, 0.01])


def test_a_drop_comes_with_the_evaluation_that_confirms_the_phase() -> None:
    training = TrainingSpec(
        learning_rate=1.0,
        schedule="phase",
        drop_on=[{"phase": "memorized"}, {"phase": "onset", "split": "test"}],
        drop_factor=0.1,
    )

    def line(step: int, memorized: int | None, onset: int | None) -> dict[str, Any]:
        return {"step": step, "phases": {"memorized": memorized, "test": {"onset": onset}}}

    lines = [line(0, None, None), line(50, None, None), line(60, 50, None), line(90, 50, 60)]
    assert [phase_drops(lines[:known], training) for known in range(5)] == [(), (), (), (60,), (60, 90)]
    rates = [learning_rate_at(step, training, (60, 90)) for step in (59, 60, 89, 90)]
    assert rates == pytest.approx([1.0, 0.1, 0.1, 0.01])
    assert phase_drops(lines, TrainingSpec()) == ()


def test_a_run_lowers_its_rate_when_its_phases_begin_and_resumes_so(smoke_data: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", EARLY)
    grokcore.train_model(spec, smoke_data, tmp_path / "whole")
    whole = without_clock(tmp_path / "whole")
    phases = whole[-1]["phases"]
    assert phases["memorized"] is not None
    assert phases["test_inferred_iid"]["sustained"] is not None
    rates = [line["learning_rate"] for line in whole]
    assert rates[0] == spec.training.learning_rate
    assert rates[-1] == spec.training.learning_rate / 4
    dropped = next(line for line in whole if line["learning_rate"] < rates[0])
    assert dropped["phases"]["memorized"] or dropped["phases"]["test_inferred_iid"]["sustained"]

    first = load_spec("smoke", [*EARLY, "training.max_steps=8"])
    grokcore.train_model(first, smoke_data, tmp_path / "parts")
    grokcore.train_model(spec, smoke_data, tmp_path / "parts", resume="require")
    assert without_clock(tmp_path / "parts")[-1] == whole[-1]


def test_evaluation_is_part_of_the_identity_only_where_it_decides_the_rate() -> None:
    def changed(*overrides: str) -> bool:
        one, other = (load_spec("smoke", [*overrides, f"evaluation.interval={interval}"]) for interval in (10, 20))
        return one.run_id != other.run_id

    assert not changed()
    assert changed("training.schedule=phase", "training.drop_on=[{phase: memorized}]")


@pytest.mark.parametrize(
    ("drop_on", "complaint"),
    [
        ("[]", "schedule=phase needs drop_on"),
        ("[{phase: onset}]", "phase=onset needs a split"),
        ("[{phase: memorized, split: test_inferred_iid}]", "phase=memorized has no split"),
        ("[{phase: sustained, split: nowhere}]", "allowed are test_inferred_iid, test_inferred_ood"),
        ("[{phase: plateau}]", "drop_on"),
    ],
)
def test_a_wrong_drop_is_refused_in_one_line(drop_on: str, complaint: str) -> None:
    with pytest.raises(InputError) as error:
        load_spec("smoke", ["training.schedule=phase", f"training.drop_on={drop_on}"])
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_stacked_seeds_cannot_drop_each_at_its_own_step() -> None:
    from grokcore.training.seeds.train import why_not_stacked

    spec: ExperimentSpec = load_spec("smoke", EARLY)
    assert "schedule=phase" in str(why_not_stacked(spec))
    assert why_not_stacked(load_spec("smoke")) is None
