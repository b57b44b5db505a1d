"""Real runs of `smoke` that reach its target, and an entry of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.evaluation import evaluate_model
from grokcore.leaderboard.adding import add_entry
from grokcore.leaderboard.entry import StoredEntry
from grokcore.leaderboard.track import Track, seeds_of, track_of
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.training.seeds import train_seeds

FAST = (
    "training.learning_rate=0.006",
    "training.weight_decay=0.3",
    "training.schedule=cosine",
    "training.schedule_steps=400",
    "training.schedule_floor=0.02",
    "training.max_steps=400",
    "training.checkpoint_interval=null",
    "training.device=cpu",
)
"""Overrides of `smoke` by which every seed sustains .99 on the pairs of known entities within some 200 steps."""


@pytest.fixture(scope="session")
def track() -> Track:
    return track_of("smoke", "test_inferred_iid")


@pytest.fixture(scope="session")
def recipe() -> ExperimentSpec:
    return load_spec("smoke", FAST)


@pytest.fixture(scope="session")
def fast_runs(tmp_path_factory: pytest.TempPathFactory, recipe: ExperimentSpec, smoke_data: Path) -> Path:
    """A directory with the evaluated runs of the recipe's seeds; read only."""
    place = tmp_path_factory.mktemp("fast")
    specs = [recipe.model_copy(update={"seed": seed}) for seed in seeds_of(recipe)]
    for result in train_seeds(specs, smoke_data, place):
        evaluate_model(result.run_uri)
    return place


@pytest.fixture(scope="session")
def entry(tmp_path_factory: pytest.TempPathFactory, fast_runs: Path, track: Track) -> StoredEntry:
    """An entry of these runs; read only."""
    folder = tmp_path_factory.mktemp("records")
    return add_entry([fast_runs], track, folder, name="higher-rate", title="Higher rate, cosine", trials=3)
