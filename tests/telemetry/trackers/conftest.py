"""A clean environment, and MLflow's server for those that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.mlflow import MlflowServer

VARIABLES = ("GROKCORE_TRACK", "GROKCORE_TENSORBOARD_DIR", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")


@pytest.fixture(autouse=True)
def _only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """It takes some seconds to start, and runs as long as this test process."""
    with MlflowServer(tmp_path_factory.mktemp("mlflow")).running() as server:
        yield server


@pytest.fixture
def experiment(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An experiment of this test alone, to which the environment leads."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    monkeypatch.setattr("grokcore.telemetry.trackers.tracking.GRACE_SECONDS", 120.0)  # the server may be slow here
    monkeypatch.setattr("grokcore.telemetry.trackers.tracking.HURRY_SECONDS", 120.0)
    return tmp_path.name
