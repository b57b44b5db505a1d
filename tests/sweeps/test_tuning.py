"""The search for hyperparameters: the same budget for every point, on splits and seeds that nothing reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from grokcore.evaluation.records import read_record
from grokcore.spec import load_spec
from grokcore.sweeps import SweepResult, load_sweep, read_index, run_sweep
from grokcore.sweeps.tuning import objective
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


def line(step: int, accuracy: float | None) -> dict[str, Any]:
    return {"step": step, "train": {"accuracy": 1.0}, "splits": {"test": {"accuracy": accuracy}}}


def test_the_area_prefers_what_generalizes_early_and_far() -> None:
    slow, early, far = ([line(0, 0.0), line(5, half), line(10, end)] for half, end in ((0, 0.5), (0.5, 0.5), (0.5, 1)))
    scores = [objective(lines, "test", 10, "area") for lines in (slow, early, far)]
    assert scores == [0.125, 0.375, 0.5]
    assert objective([line(0, 1.0), line(10, 1.0), line(50, 0.0)], "test", 10, "area") == 1, "of its own steps alone"
    assert objective(slow, "train", 10, "area") == 1


def test_what_diverges_gains_nothing_by_it() -> None:
    diverged = [line(0, 0.0), line(5, 1.0), line(6, None)]
    assert objective(diverged, "test", 10, "area") == pytest.approx(0.3)
    assert objective(diverged, "test", 10, "final") == 0
    assert objective([line(0, 0.0), line(5, 1.0), line(10, None)], "test", 10, "final") == 0
    assert objective([], "test", 10, "area") == 0
