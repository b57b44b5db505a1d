"""The search for hyperparameters: the same budget for every point, on splits and seeds that nothing reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from grokcore.evaluation.records import read_record
from grokcore.spec import StopOnGrok, load_spec
from grokcore.sweeps import SweepResult, load_sweep, read_index, run_sweep
from grokcore.sweeps.expansion import expand
from grokcore.sweeps.objective import objective
from grokcore.sweeps.spec import LogInteger
from grokcore.sweeps.tuning import trial_specs
from tests.sweeps.conftest import journals

TUNED = """
name: tuned
base: smoke
overrides: [model.width=16, training.max_steps=9, evaluation.interval=3, training.threads=null]
axes:
  - {kind: grid, field: model.layers, values: [1, 2]}
seeds: [0]
tuning:
  search:
    training.learning_rate: {kind: log_uniform, low: 1.0e-4, high: 1.0e-1}
    model.tie_embeddings: {kind: choice, options: [true, false]}
  trials: 3
  at_once: 2
  steps: 6
  measure: final
"""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SweepResult]:
    """The store of a tuned sweep, and what it came to; read only."""
    out = tmp_path_factory.mktemp("tuned") / "store"
    return out, run_sweep(load_sweep(TUNED), out, processes=1)


def test_every_point_gets_the_same_budget_and_the_best_of_its_trials(tuned: tuple[Path, SweepResult]) -> None:
    store, _ = tuned
    index = read_index(store / "sweeps" / "tuned")
    for point in index.points:
        assert point.tuned is not None
        assert len(point.tuned.trials) == 3
        assert point.tuned.trials[0].untuned, "what the point has without tuning is tried first"
        assert point.tuned.trials[0].values == {"training.learning_rate": 0.001, "model.tie_embeddings": True}
        assert point.tuned.objective == max(trial.objective for trial in point.tuned.trials)
        assert point.tuned.split == "test_inferred_iid"
        for trial in point.tuned.trials:
            (place,) = trial.places
            record = read_record(str(store / place))
            assert (record.spec.seed, record.evaluation.step) == (1000, 6)
            last = record.journal[-1]
            assert (trial.objective, trial.flops) == (last["splits"]["test_inferred_iid"]["accuracy"], last["flops"])
        assert point.tuned.flops == sum(trial.flops for trial in point.tuned.trials)


def test_the_runs_have_what_was_found_and_trials_lie_apart_from_them(tuned: tuple[Path, SweepResult]) -> None:
    store, result = tuned
    for point in result.index.points:
        assert point.tuned is not None
        (record,) = result.records[point.name]
        values = [f"{field}={json.dumps(value)}" for field, value in point.tuned.values.items()]
        layers = point.settings["model.layers"]
        expected = load_spec("smoke", ["model.width=16", f"model.layers={layers}", *values])
        assert record.spec.run_id == expected.run_id
        assert record.evaluation.step == 9
    assert len(list((store / "runs").iterdir())) == 2
    assert all(place.startswith("tuning/runs/") for place in _places(result))


@pytest.mark.extended
def test_a_search_that_was_interrupted_comes_to_the_same(tuned: tuple[Path, SweepResult], tmp_path: Path) -> None:
    """Its last trial, the index and the runs are gone; the other trials are found, not trained again."""
    done, result = tuned
    store = tmp_path / "store"
    shutil.copytree(done, store)
    shutil.rmtree(store / "runs")
    shutil.rmtree(store / "sweeps")
    lost, *kept = reversed(_places(result))
    shutil.rmtree(store / lost)
    before = {place: (store / place / "manifest.json").stat().st_mtime_ns for place in kept if place != lost}
    assert run_sweep(load_sweep(TUNED), store, processes=1).index == result.index
    assert journals(store) == journals(done)
    assert {place: (store / place / "manifest.json").stat().st_mtime_ns for place in before} == before


def _places(result: SweepResult) -> list[str]:
    trials = [trial for point in result.index.points if point.tuned for trial in point.tuned.trials]
    return [place for trial in trials for place in trial.places]


SPEC = load_spec("modular", ["evaluation.threshold=0.9", "training.schedule=constant"])


def line(step: int, accuracy: float | None) -> dict[str, Any]:
    return {"step": step, "train": {"accuracy": 1.0}, "splits": {"test": {"accuracy": accuracy}}}


def test_the_area_prefers_what_generalizes_early_and_far() -> None:
    slow, early, far = ([line(0, 0.0), line(5, half), line(10, end)] for half, end in ((0, 0.5), (0.5, 0.5), (0.5, 1)))
    scores = [objective(lines, SPEC, "test", 10, "area") for lines in (slow, early, far)]
    assert scores == [0.125, 0.375, 0.5]
    assert objective([line(0, 1.0), line(10, 1.0), line(50, 0.0)], SPEC, "test", 10, "area") == 1, (
        "of its own steps alone"
    )
    assert objective(slow, SPEC, "train", 10, "area") == 1


def test_what_diverges_gains_nothing_by_it() -> None:
    diverged = [line(0, 0.0), line(5, 1.0), line(6, None)]
    assert objective(diverged, SPEC, "test", 10, "area") == pytest.approx(0.3)
    assert objective(diverged, SPEC, "test", 10, "final") == 0
    assert objective([line(0, 0.0), line(5, 1.0), line(10, None)], SPEC, "test", 10, "final") == 0
    assert objective([], SPEC, "test", 10, "area") == 0


def curve(*points: tuple[int, float | None]) -> list[dict[str, Any]]:
    return [line(0, 0.0), *(line(step, accuracy) for step, accuracy in points)]


def test_the_time_prefers_what_is_sustained_sooner_then_what_ends_more_accurate() -> None:
    sooner = curve((20, 0.95), (30, 0.95), (40, 0.95), (100, 0.95))
    later = curve((20, 0.95), (30, 0.5), (60, 0.95), (80, 0.95), (100, 1.0))
    never_but_close = curve((20, 0.95), (30, 0.5), (90, 0.95), (100, 0.95))
    never = curve((50, 0.1), (100, 0.2))
    scores = [objective(lines, SPEC, "test", 100, "time") for lines in (sooner, later, never_but_close, never)]
    assert scores == pytest.approx([0.8, 0.4, -0.05, -0.8])
    assert objective(sooner[:4], SPEC, "test", 100, "time") == scores[0], "a trial may end once it is sustained"


def test_the_time_counts_nothing_after_the_budget_of_a_trial() -> None:
    confirmed_too_late = curve((90, 0.95), (100, 0.95), (110, 0.95), (120, 0.95))
    assert objective(confirmed_too_late, SPEC, "test", 100, "time") == pytest.approx(-0.05)
    assert objective(curve((50, None), (60, None)), SPEC, "test", 100, "time") == -1


def test_a_search_by_time_may_use_the_split_that_is_compared_and_ends_trials_early() -> None:
    by_time = "measure: time\n  split: test_inferred_ood\n  seeds: [100, 101]"
    sweep = load_sweep(TUNED.replace("measure: final", by_time))
    assert sweep.tuning is not None
    (point, _) = expand(sweep)
    first, second = trial_specs(point, {"training.learning_rate": 0.01}, sweep.tuning)
    assert (first.seed, second.seed) == (100, 101)
    assert first.training.stop_on_grok == StopOnGrok(split="test_inferred_ood", tail=1.1)
    assert first.training.max_steps == 6
    assert first.run_id == load_spec("smoke", ["model.width=16", "training.learning_rate=0.01", "seed=100"]).run_id


def test_whole_numbers_are_drawn_on_a_log_scale_and_stay_whole() -> None:
    steps = LogInteger(kind="log_integer", low=100, high=10_000)
    assert [steps.at(share) for share in (0.0, 0.5, 1 - 1e-9)] == [100, 1000, 10_000]
    assert [steps.clamped(value) for value in (1, 1234, 20_000)] == [100, 1230, 10_000]
    assert [steps.holds(value) for value in (100, 99, 500.0, True, None)] == [True, False, False, False, False]
    with pytest.raises(ValueError, match="low=5 must be less than high=5"):
        LogInteger(kind="log_integer", low=5, high=5)


BY_TIME = """
name: by-time
base: smoke
overrides: [model.width=16, training.max_steps=9, evaluation.interval=1, training.threads=null,
            training.schedule=cosine, training.schedule_steps=30, evaluation.threshold=0.01]
seeds: [0]
tuning:
  search:
    training.schedule_steps: {kind: log_integer, low: 20, high: 400}
  trials: 3
  steps: 12
  measure: time
  split: test_inferred_ood
  seeds: [100, 101]
"""


def test_a_search_by_time_runs_and_records_split_seeds_and_what_it_found(tmp_path: Path) -> None:
    """Its threshold is so low that all trials sustain the split, and end before their budget."""
    result = run_sweep(load_sweep(BY_TIME), tmp_path, processes=1)
    (point,) = result.index.points
    assert point.tuned is not None
    assert point.tuned.split == "test_inferred_ood"
    for trial in point.tuned.trials:
        records = [read_record(str(tmp_path / place)) for place in trial.places]
        assert [record.spec.seed for record in records] == [100, 101]
        times = [record.evaluation.held_out["test_inferred_ood"].sustained for record in records]
        assert trial.objective == sum(1 - time.steps / 12 if time else -2 for time in times) / 2
        assert all(record.evaluation.step < 12 for record in records)
        assert isinstance(trial.values["training.schedule_steps"], int)
    (record,) = result.records[point.name]
    assert record.spec.training.schedule_steps == point.tuned.values["training.schedule_steps"]
