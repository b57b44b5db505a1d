"""The launcher ends as its training does, and retries during outages of the cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from grokcore.cluster.trainjobs import Launch, launch_training
from grokcore.cluster.trainjobs.api import TrainJobApi
from grokcore.errors import GrokcoreError, InputError, StoppedError, TransientError
from grokcore.spec import load_spec
from grokcore.stage import Failure
from tests.cluster.trainjobs.conftest import CPU, PYTHON, QUICK, WAITS, Said, ends_with
from tests.servers.kubernetes import GROUP, Kubernetes, RefusalError

JOBS = f"trainjobs.{GROUP}"
Make = Callable[..., Launch]


def failure(launch: Launch) -> GrokcoreError:
    with pytest.raises(GrokcoreError) as caught:
        launch_training(launch)
    assert "\n" not in str(caught.value)
    return caught.value


def test_bad_input_that_the_training_finds_comes_back_word_for_word_and_is_tried_once(
    namespace: Kubernetes, launch: Make
):
    namespace.apply_runtime(PYTHON, max_restarts=3)
    request = replace(CPU, gpus=1)  # of which there is none in this pod
    asked = launch(spec=load_spec("smoke", ["training.device=cuda"]), request=request)
    error = failure(asked)
    assert isinstance(error, InputError)
    assert "torch sees no CUDA GPU" in str(error)
    assert len(namespace.ran[0].pods) == 1
    assert Failure.read(f"{asked.run}/error.json") is not None


@pytest.mark.parametrize(
    ("code", "kind"), [(2, InputError), (75, TransientError), (143, StoppedError), (137, TransientError)]
)
def test_without_a_word_in_the_run_the_exit_code_of_the_pod_decides(
    code: int, kind: type[GrokcoreError], namespace: Kubernetes, launch: Make
):
    namespace.apply_runtime(ends_with(code, "the last thing it said"))
    error = failure(launch())
    assert type(error) is kind
    assert f"exit code {code}" in str(error)
    assert "the last thing it said" in str(error)


def test_a_job_that_has_failed_is_made_anew_for_the_next_launcher(
    trained: None, namespace: Kubernetes, launch: Make, said: Said
):
    namespace.apply_runtime(ends_with(75))
    assert isinstance(failure(launch()), TransientError)
    namespace.apply_runtime(ends_with(0))
    assert launch_training(launch()).exit_reason == "budget_steps"
    assert namespace.count("delete") == 1
    assert said.has("has ended: replacing it")


def test_pods_that_begin_again_know_which_attempt_they_are(namespace: Kubernetes, launch: Make):
    says = "import os; print('attempt', os.environ['KFP_RETRY_INDEX']); raise SystemExit(75)"
    namespace.apply_runtime([sys.executable, "-c", says], max_restarts=2)
    failure(launch())
    assert [pod.log.read_text().strip() for pod in namespace.ran[0].pods] == ["attempt 0", "attempt 1", "attempt 2"]


@pytest.mark.parametrize("status", [429, 500, 503, 401, None])
def test_an_outage_of_the_api_is_ridden_out(
    status: int | None, trained: None, namespace: Kubernetes, launch: Make, said: Said
):
    namespace.apply_runtime(ends_with(0))
    failing = {1, 2, 5, 6, 7, 10}

    def fault(verb: str, resource: str) -> None:
        if len(namespace.asked) in failing:
            if status is None:
                raise ConnectionError
            raise RefusalError(status, "not now")

    namespace.fault = fault
    assert launch_training(launch()).exit_reason == "budget_steps"
    assert said.has("trying again")
    assert said.has("is back")
    assert len(namespace.ran) == 1


@pytest.mark.parametrize("at", ["start", "later"])
def test_an_outage_without_end_is_transient_and_leaves_the_training_alone(at: str, namespace: Kubernetes, launch: Make):
    namespace.apply_runtime(WAITS)

    def fault(verb: str, resource: str) -> None:
        if at == "start" or namespace.ran:
            raise RefusalError(503, "the server is currently unable to handle the request")

    namespace.fault = fault
    error = failure(launch(timing=replace(QUICK, api_patience=0.5)))
    assert isinstance(error, TransientError)
    assert "unable to handle" in str(error)
    if at == "later":
        assert "the training continues" in str(error)
        assert namespace.ran[0].pods[0].process.poll() is None
        assert namespace.count("delete") == 0


@pytest.mark.parametrize(
    ("verb", "resource"), [("get", JOBS), ("create", JOBS), ("get", "trainingruntimes.trainer.kubeflow.org")]
)
def test_a_missing_right_is_named(verb: str, resource: str, namespace: Kubernetes, launch: Make):
    namespace.apply_runtime(PYTHON)
    namespace.rules = [
        {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}
        if resource.partition(".")[0] in rule["resources"]
        else rule
        for rule in namespace.rules
    ]
    error = failure(launch())
    assert isinstance(error, InputError)
    assert f"may not {verb} {resource} in namespace lab" in str(error)


def test_what_admission_refuses_is_not_called_a_missing_right(namespace: Kubernetes, launch: Make):
    namespace.apply_runtime(PYTHON)

    def fault(verb: str, resource: str) -> None:
        if verb == "create":
            raise RefusalError(403, "admission webhook denied the request: exceeded quota")

    namespace.fault = fault
    error = failure(launch())
    assert isinstance(error, InputError)
    assert "exceeded quota" in str(error)
    assert "may not" not in str(error)


def test_rights_can_be_asked_for(namespace: Kubernetes):
    api = TrainJobApi.connect()
    assert api.allowed("create", JOBS)
    assert api.allowed("get", "pods/log")
    assert not api.allowed("get", "secrets")
    assert not api.allowed("deletecollection", JOBS)


def test_no_cluster_is_one_line(launch: Make, monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert "no Kubernetes cluster is configured" in str(failure(launch()))
