"""A small dataset and a trained run, which many tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

import grokcore
from grokcore.spec import ExperimentSpec, load_spec
from tests.support.chromium import browser, visit
from tests.support.session import bucket, pytest_terminal_summary, s3_uri, store_uri

__all__ = ["browser", "bucket", "pytest_terminal_summary", "s3_uri", "store_uri", "visit"]


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
