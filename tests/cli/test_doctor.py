"""`grokcore doctor`: what works is shown, what was asked for and does not work ends with an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.storage import FileStore, open_store
from tests.servers.kubernetes import Kubernetes, kubernetes_server

__all__ = ["kubernetes_server"]

VERDICTS = ("write", "read", "list", "conditional write", "delete")


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROKCORE_STORE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def rows(text: str) -> dict[str, str]:
    return {line[:20].strip(): line[20:].strip() for line in text.splitlines()}


def test_versions_hardware_and_directories_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    assert main(["doctor"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["torch"] == torch.__version__
    assert shown.keys() >= {"python", "kfp", "deepspeed", "cores", "C compiler", "user", "temporary directory"}
    assert "store" not in shown


def test_the_memory_of_a_spec_is_estimated_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "smoke", "--set", "training.batch_size=32"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["GPU memory"].endswith("for smoke: an estimate, not yet seen on a GPU")
    parts = ("weights", "gradients", "optimizer state", "examples", "activations")
    assert all(shown[part].endswith(" GB") for part in parts)


def test_a_spec_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "nothing-like-it"]) == 2
    assert "nothing-like-it" in capsys.readouterr().err


def test_a_store_that_works_is_shown_and_left_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", str(tmp_path)]) == 0
    shown = rows(capsys.readouterr().out)
    assert {name: shown[name] for name in VERDICTS} == dict.fromkeys(VERDICTS, "ok")
    assert list(tmp_path.iterdir()) == []


def test_the_store_of_the_environment_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROKCORE_STORE", str(tmp_path))
    assert main(["doctor"]) == 0
    assert rows(capsys.readouterr().out)["store"] == str(tmp_path)


def test_a_store_that_cannot_be_written_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", "/proc/nowhere"]) == 2
    captured = capsys.readouterr()
    assert rows(captured.out)["write"].startswith("failed")
    assert captured.err.count("\n") == 1
    assert "write" in captured.err


def test_a_store_that_lets_two_writers_win_is_found_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def overwrite(self: FileStore, key: str, content: bytes) -> bool:
        self.write(key, content)
        return True

    monkeypatch.setattr(FileStore, "write_new", overwrite)
    assert main(["doctor", "--store", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert rows(captured.out)["conditional write"].startswith("failed")
    assert "does not refuse a second writer" in captured.out
    assert list(tmp_path.iterdir()) == []


def test_object_storage_is_tried_by_using_it(s3_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--store", s3_uri]) == 0
    shown = rows(capsys.readouterr().out)
    assert {name: shown[name] for name in VERDICTS} == dict.fromkeys(VERDICTS, "ok")
    assert list(open_store(s3_uri).files()) == []


@pytest.fixture
def namespace(kubernetes_server: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    """Grant the rights of the Roles in manifests/."""
    monkeypatch.setenv("KUBECONFIG", str(kubernetes_server.kubeconfig()))
    return kubernetes_server


def test_rights_and_the_runtime_of_a_namespace_are_shown(
    namespace: Kubernetes, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace.apply_runtime()
    assert main(["doctor", "--cluster"]) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["namespace"] == "lab"
    assert shown["rights of tasks"] == "ok"
    assert shown["TrainJobs"] == "grokcore-deepspeed"


def test_what_only_trainjobs_need_may_be_absent(namespace: Kubernetes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--cluster"]) == 0
    assert "no TrainingRuntime grokcore-deepspeed" in rows(capsys.readouterr().out)["TrainJobs"]
    namespace.rules = [rule for rule in namespace.rules if "trainjobs" not in rule["resources"]]
    assert main(["doctor", "--cluster"]) == 0
    assert "no right to create trainjobs.trainer.kubeflow.org" in rows(capsys.readouterr().out)["TrainJobs"]


def test_a_right_that_every_task_needs_is_missed(namespace: Kubernetes, capsys: pytest.CaptureFixture[str]) -> None:
    namespace.rules = [rule for rule in namespace.rules if "pods" not in rule["resources"]]
    assert main(["doctor", "--cluster"]) == 2
    captured = capsys.readouterr()
    assert "no right to get pods, list pods, watch pods: apply manifests/base" in captured.out
    assert "rights of tasks" in captured.err


def test_without_a_cluster_it_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert main(["doctor", "--cluster"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
