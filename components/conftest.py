"""Fixtures of component tests: a working directory, and one small run."""

from pathlib import Path
from typing import NamedTuple

import pytest

import grokcore
from grokcore.spec import ExperimentSpec, load_spec
from tests.support.session import bucket, s3_uri, store_uri

__all__ = ["bucket", "s3_uri", "store_uri"]

ROOT = Path(__file__).parents[1]


class SmallRun(NamedTuple):
    """A trained and evaluated run."""

    spec: ExperimentSpec
    dataset: Path
    run: Path


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROKCORE_STORE", "GROKCORE_RUN_KEY", "GROKCORE_ERROR_FILE", "GROKCORE_STOP", "KFP_RETRY_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def local_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Components and pipelines run as subprocesses of this environment; returns where their outputs go."""
    from kfp import local

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    outputs = tmp_path / "outputs"
    local.init(
        local.SubprocessRunner(use_venv=False), pipeline_root=str(outputs), workspace_root=str(tmp_path / "workspace")
    )
    return outputs


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    store = tmp_path_factory.mktemp("store")
    spec = load_spec("smoke", ["training.max_steps=20", "model.width=16"])
    dataset, run = store / "datasets" / spec.dataset_id, store / "runs" / spec.run_id / "first"
    dataset.parent.mkdir()
    grokcore.generate_dataset(spec.task, dataset)
    grokcore.train_model(spec, dataset, run)
    grokcore.evaluate_model(run)
    return SmallRun(spec, dataset, run)
