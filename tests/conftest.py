"""What many tests need: one thread, a small dataset, a trained run."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes share two cores
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

import grokcore
from grokcore.spec import ExperimentSpec, load_spec
from tests.servers.fixtures import bucket, s3_uri, store_uri

__all__ = ["bucket", "s3_uri", "store_uri"]


@pytest.fixture(scope="session")
def smoke_spec() -> ExperimentSpec:
    return load_spec("smoke")


@pytest.fixture(scope="session")
def smoke_data(tmp_path_factory: pytest.TempPathFactory, smoke_spec: ExperimentSpec) -> Path:
    """The dataset of `smoke`; read only."""
    path = tmp_path_factory.mktemp("data") / "dataset"
    grokcore.generate_dataset(smoke_spec.task, path)
    return path


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory, smoke_spec: ExperimentSpec, smoke_data: Path) -> Path:
    """A trained and evaluated run of `smoke`; read only."""
    path = tmp_path_factory.mktemp("run") / "run"
    grokcore.train_model(smoke_spec, smoke_data, path)
    grokcore.evaluate_model(path)
    return path
