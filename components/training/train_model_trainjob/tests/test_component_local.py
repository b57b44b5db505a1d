from pathlib import Path

import pytest

from grokcore.runs import read_manifest
from grokcore.storage import open_store
from tests.servers.kubernetes import Kubernetes, kubernetes_server

__all__ = ["kubernetes_server"]


@pytest.mark.extended
def test_the_example_runs_on_the_local_runner_and_trains_by_torchrun_on_two_nodes(
    local_runner: Path, kubernetes_server: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from components.training.train_model_trainjob.example_pipelines import example_pipeline

    kubernetes_server.apply_runtime()  # with the command of the manifest
    monkeypatch.setenv("KUBECONFIG", str(kubernetes_server.kubeconfig()))
    monkeypatch.setenv("GROKCORE_STORE", str(tmp_path / "store"))
    example_pipeline(run_key="a", gpu_count="0")
    (run,) = local_runner.rglob("train-model-trainjob/run")
    (model,) = local_runner.rglob("train-model-trainjob/model")
    assert (run / "metrics.jsonl").stat().st_size
    assert (model / "config.json").is_file()
    assert len(kubernetes_server.ran[0].pods) == 2
    (place,) = (tmp_path / "store" / "runs").glob("*/a")
    assert read_manifest(open_store(place)).exit_reason == "budget_steps"
