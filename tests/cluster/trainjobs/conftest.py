"""A namespace with Kubeflow Trainer in it, and a run to be trained there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grokcore.cluster.trainjobs import JobRequest, Launch
from grokcore.cluster.trainjobs.launch import Timing
from grokcore.spec import ExperimentSpec
from grokcore.storage.layout import run_uri
from tests.servers.kubernetes import Kubernetes, kubernetes_server

__all__ = ["kubernetes_server"]

PYTHON = [sys.executable, "-m", "grokcore"]
WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]
QUICK = Timing(poll=0.1, beat=0.2, launcher_patience=60, api_patience=5)
CPU = JobRequest(gpus=0, cpu="1", memory="1Gi")


def ends_with(code: int, said: str = "") -> list[str]:
    """A command for pods that do nothing but end."""
    return [sys.executable, "-S", "-c", f"print({said!r}); raise SystemExit({code})"]


@pytest.fixture
def namespace(kubernetes_server: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    for name in ("GROKCORE_RUN_KEY", "GROKCORE_POD_NAME", "GROKCORE_QUEUE", "GROKCORE_STORE", "KFP_RETRY_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(kubernetes_server.kubeconfig()))
    return kubernetes_server


class Said(list[str]):
    """The lines that a launcher has told."""

    def has(self, text: str) -> bool:
        return any(text in line for line in self)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def launch(smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path, said: Said) -> Callable[..., Launch]:
    """Makes a launch of `smoke` in a directory; what is given is another."""

    def make(store: str | None = None, **changes: Any) -> Launch:
        spec = changes.pop("spec", smoke_spec)
        place = run_uri(store or str(tmp_path / "store"), spec.run_id, "key")
        return replace(Launch(spec, smoke_data, place, CPU, notify=said.append, timing=QUICK), **changes)

    return make


@pytest.fixture
def trained(launch: Callable[..., Launch], smoke_run: Path) -> None:
    """The run lies in its place already, so that a job has nothing left to do: for tests of the launcher alone."""
    shutil.copytree(smoke_run, launch().run)
