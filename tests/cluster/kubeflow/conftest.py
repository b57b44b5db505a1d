"""A stand-in for Kubeflow Pipelines, behind a proxy that holds requests and answers against the API's description."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.connection import connection
from grokcore.cluster.kubeflow.package import PipelinePackage, parse_package, read_package
from grokcore.local import compiled_pipeline
from tests.servers.kubeflow import FakeKubeflow, fake_kubeflow
from tests.servers.process import Server, answers, free_port

ROOT = Path(__file__).parents[3]
PRISM = ROOT / ".tools" / "node_modules" / ".bin" / "prism"
DESCRIPTION = ROOT.parent / "shared" / "contracts" / "kfp_v2beta1.prism.json"
TOKEN = "t0ken-of-a-test"  # noqa: S105
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Kubeflow:
    """
    Attributes:
        host: where it is asked: at the proxy, or straight.
        checked: whether a proxy checks requests and answers.
    """

    server: FakeKubeflow
    host: str
    token_file: Path
    checked: bool

    @property
    def flags(self) -> list[str]:
        return ["--host", self.host, "--token-file", str(self.token_file)]

    def api(self, **options: float) -> KubeflowApi:
        at = connection(host=self.host, token_file=str(self.token_file))
        return KubeflowApi(at, **{"patience": 0.0, **options})


@pytest.fixture(scope="session")
def package() -> PipelinePackage:
    return read_package(compiled_pipeline("grokking_experiment"))


@pytest.fixture(scope="session")
def other_package(package: PipelinePackage) -> PipelinePackage:
    """The same pipeline with other content."""
    return parse_package(package.text.replace("maxRetryCount: 3", "maxRetryCount: 4"), "the other package")


@pytest.fixture(scope="session")
def server() -> Iterator[FakeKubeflow]:
    with fake_kubeflow() as running:
        yield running


@pytest.fixture(scope="session")
def proxy(server: FakeKubeflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of Prism before the stand-in; it answers 422 and 500 to what the API's description does not allow."""
    if not DESCRIPTION.is_file():
        pytest.skip(f"no description of the API here: {DESCRIPTION} is absent")
    if not PRISM.exists() or shutil.which("node") is None:
        pytest.skip("no prism here: ci/tools installs it, with npm")
    directory, port = tmp_path_factory.mktemp("prism"), free_port()
    (directory / "description.json").write_text(json.dumps(_strict(json.loads(DESCRIPTION.read_text()))))
    process = Server(directory)
    process.start_process(
        str(PRISM),
        *("proxy", "--errors", "-h", "127.0.0.1", "-p", str(port), str(directory / "description.json"), server.url),
    )
    try:
        process.wait_until(lambda: answers(HTTPConnection("127.0.0.1", port, timeout=5)))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


def _strict(description: dict[str, Any]) -> dict[str, Any]:
    """The description with no fields allowed but those that it names: a misspelt one would pass otherwise.

    Errors have one more than it says, since the gateway before the server adds its own.
    """
    for name, definition in description["definitions"].items():
        if "properties" in definition:
            definition.setdefault("additionalProperties", name in ("googleRpcStatus", "protobufAny"))
    return description


@pytest.fixture
def direct(server: FakeKubeflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubeflow:
    """The stand-in, asked without a proxy: for what no description of an API knows, such as faults."""
    return _fresh(server, server.url, tmp_path, monkeypatch, checked=False)


@pytest.fixture(params=["checked", "straight"])
def kubeflow(
    request: pytest.FixtureRequest, server: FakeKubeflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Kubeflow:
    """The stand-in, through the proxy and without it; the first is skipped where there is no proxy."""
    checked = request.param == "checked"
    host = str(request.getfixturevalue("proxy")) if checked else server.url
    return _fresh(server, host, tmp_path, monkeypatch, checked=checked)


def _fresh(
    server: FakeKubeflow, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, checked: bool
) -> Kubeflow:
    server.reset()
    server.tokens = {TOKEN}
    for variable in (
        "KF_PIPELINES_ENDPOINT",
        "KF_PIPELINES_UI_ENDPOINT",
        "GROKCORE_KFP_TOKEN",
        "GROKCORE_KFP_NAMESPACE",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("grokcore.cluster.kubeflow.submit.CLOCK_STEP", 0.0)
    monkeypatch.setattr("grokcore.cli.pipeline.commit_of_code", lambda: COMMIT)  # it may move while tests run
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n")
    return Kubeflow(server, host, token_file, checked)
