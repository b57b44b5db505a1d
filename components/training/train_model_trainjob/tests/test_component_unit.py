import inspect
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import dsl

from components.conftest import SmallRun
from components.training.train_model import train_model
from components.training.train_model_trainjob import train_model_trainjob
from tests.servers.kubernetes import Kubernetes, kubernetes_server
from tests.support.checks import wait_until

__all__ = ["kubernetes_server"]

train = train_model_trainjob.python_func
PYTHON = [sys.executable, "-m", "grokcore"]
CPU = {"gpu_count": "0", "cpu_limit": "1", "memory_limit": "1Gi"}


class Outputs(NamedTuple):
    run: dsl.Artifact
    model: dsl.Model
    metrics: dsl.Metrics


def outputs(place: Path) -> Outputs:
    return Outputs(
        dsl.Artifact(uri=str(place / "run")),
        dsl.Model(uri=str(place / "model")),
        dsl.Metrics(uri=str(place / "metrics")),
    )


@pytest.fixture
def namespace(kubernetes_server: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    monkeypatch.setenv("KUBECONFIG", str(kubernetes_server.kubeconfig()))
    monkeypatch.delenv("GROKCORE_QUEUE", raising=False)
    return kubernetes_server


def call(component: Any, small: SmallRun, made: Outputs, **arguments: Any) -> tuple[str, str]:
    dataset = dsl.Dataset(uri=str(small.dataset))
    return component(small.spec.model_dump_json(), dataset, made.run, made.model, made.metrics, **arguments)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_its_signature_is_that_of_train_model_and_what_a_pod_is_given_by_its_settings():
    theirs = inspect.signature(train_model.python_func)
    ours = inspect.signature(train)
    shared = list(ours.parameters.values())[: len(theirs.parameters)]
    assert shared == list(theirs.parameters.values())
    assert ours.return_annotation.__annotations__ == theirs.return_annotation.__annotations__
    assert train_model_trainjob.component_spec.outputs == train_model.component_spec.outputs
    for name in list(ours.parameters)[len(theirs.parameters) :]:
        assert ours.parameters[name].default is not inspect.Parameter.empty, name


def test_its_outputs_are_those_of_train_model(namespace: Kubernetes, small_run: SmallRun, tmp_path: Path):
    namespace.apply_runtime(PYTHON)
    ours, theirs = outputs(tmp_path / "ours"), outputs(tmp_path / "theirs")
    place = {"store": str(tmp_path / "store"), "run_key": "ours"}
    run_uri, exit_reason = call(train, small_run, ours, **place, **CPU)
    other_uri, other_reason = call(
        train_model.python_func, small_run, theirs, store=str(tmp_path / "store"), run_key="theirs"
    )
    assert run_uri == other_uri.replace("theirs", "ours")
    assert exit_reason == other_reason
    for artifact in ("run", "model"):
        assert names(tmp_path / "ours" / artifact) == names(tmp_path / "theirs" / artifact)
    model = "model/model.safetensors"
    assert (tmp_path / "ours" / model).read_bytes() == (tmp_path / "theirs" / model).read_bytes()
    assert ours.metrics.metadata == theirs.metrics.metadata
    assert all(math.isfinite(value) for value in ours.metrics.metadata.values())
    assert ours.run.metadata == {**theirs.run.metadata, "run_uri": run_uri}
    assert ours.model.metadata == theirs.model.metadata
    assert "error.json" not in names(Path(run_uri))


def test_without_a_store_that_pods_see_it_fails_in_one_line(
    small_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_:
        call(train, small_run, outputs(tmp_path), **CPU)
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a store that all its pods can access" in said


def test_bad_input_found_by_the_job_is_not_tried_again(
    namespace: Kubernetes,
    small_run: SmallRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    refuses = [sys.executable, "-S", "-c", "print('the pod cannot have it so'); raise SystemExit(2)"]
    namespace.apply_runtime(refuses)
    place = {"store": str(tmp_path / "store"), "run_key": "a"}
    with pytest.raises(SystemExit) as exit_:
        call(train, small_run, outputs(tmp_path), **place, **CPU)
    assert exit_.value.code == 2
    error = json.loads((tmp_path / "store" / "runs" / small_run.spec.run_id / "a" / "error.json").read_text())
    assert "the pod cannot have it so" in error["message"]

    monkeypatch.setenv("KFP_RETRY_INDEX", "1")
    asked = len(namespace.asked)
    with pytest.raises(SystemExit):
        call(train, small_run, outputs(tmp_path), **place, **CPU)
    assert error["message"] in capsys.readouterr().err
    assert len(namespace.asked) == asked


PROGRAM = """
import sys
from pathlib import Path
from components.conftest import SmallRun
from components.training.train_model_trainjob.tests.test_component_unit import CPU, call, outputs, train
from grokcore.spec import load_spec
spec, dataset, store, place = sys.argv[1:]
small = SmallRun(load_spec(spec), Path(dataset), Path())
print(call(train, small, outputs(Path(place)), store=store, run_key="a", **CPU))
"""


@pytest.mark.extended
def test_a_launcher_that_is_killed_is_followed_by_the_next_one_and_trains_once(
    namespace: Kubernetes, small_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    namespace.apply_runtime(PYTHON)
    store, spec = tmp_path / "store", small_run.spec.model_dump_json()
    command = [sys.executable, "-c", PROGRAM, spec, str(small_run.dataset), str(store), str(tmp_path / "first")]
    with (tmp_path / "said").open("w") as said:
        first = subprocess.Popen(command, stdout=said, stderr=said)
        wait_until(lambda: namespace.jobs, first)
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL, (tmp_path / "said").read_text()
    made = outputs(tmp_path / "second")
    _, exit_reason = call(train, small_run, made, store=str(store), run_key="a", **CPU)
    assert exit_reason == "budget_steps"
    assert len(namespace.ran) == 1
    assert len(namespace.ran[0].pods) == 1
    said_now = capsys.readouterr().out
    assert "exists: following it" in said_now
    assert "step 20/20" in said_now
