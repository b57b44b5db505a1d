"""A TrainJob is asked for once, whatever happens to whoever asks, and how its training ends comes back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grokcore.cluster.trainjobs import JobRequest, Launch, launch_training, shared_place
from grokcore.cluster.trainjobs.request import LONGEST, job_name
from grokcore.data import open_dataset
from grokcore.errors import InputError, StoppedError
from grokcore.runs import read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import open_store
from tests.cluster.trainjobs.conftest import PYTHON, WAITS, Said, ends_with
from tests.servers.kubernetes import GROUP, Kubernetes
from tests.support.checks import wait_until

JOBS = f"trainjobs.{GROUP}"
Make = Callable[..., Launch]


def only(namespace: Kubernetes) -> dict[str, Any]:
    (job,) = namespace.jobs.values()
    return job


def delete(namespace: Kubernetes) -> None:
    """As somebody does with kubectl."""
    name = only(namespace)["metadata"]["name"]
    namespace.carry_out("DELETE", f"/apis/{GROUP}/v1alpha1/namespaces/lab/trainjobs/{name}", {})


def refuse(launch: Launch) -> str:
    with pytest.raises(InputError) as caught:
        launch_training(launch)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_run_is_trained_and_what_it_says_comes_back(
    namespace: Kubernetes, launch: Make, said: Said, s3_uri: str, smoke_spec: ExperimentSpec
):
    namespace.apply_runtime(PYTHON)
    lines: list[dict[str, Any]] = []
    asked = launch(s3_uri, on_evaluation=lines.append)
    result = launch_training(asked)
    assert (result.run_uri, result.exit_reason, result.step) == (asked.run, "budget_steps", 60)
    assert (lines[0]["step"], lines[-1]["step"]) == (0, 60)
    assert read_manifest(open_store(asked.run)).dataset.uri == f"{s3_uri}/datasets/{smoke_spec.dataset_id}"
    open_dataset(f"{s3_uri}/datasets/{smoke_spec.dataset_id}", smoke_spec.dataset_id)
    assert namespace.count("create") == 1
    assert not list(open_store(asked.run).files("launcher"))
    assert said.has("trains")
    assert said.has("its pods are running")


def test_the_job_says_what_it_is_and_gets_what_was_asked_for(namespace: Kubernetes, launch: Make, monkeypatch):
    namespace.apply_runtime(ends_with(0))
    uid = namespace.add_step("step-7", "grokking-experiment-x2v7p")
    monkeypatch.setenv("GROKCORE_POD_NAME", "step-7")
    monkeypatch.setenv("GROKCORE_RUN_KEY", "2f1c-of-kubeflow")
    monkeypatch.setenv("GROKCORE_QUEUE", "lab-queue")
    request = JobRequest.of_form(
        nodes="2",
        gpu_type="nvidia.com/gpu",
        gpu_count="4",
        cpu_limit="8",
        memory_limit="64Gi",
        node_selector={"nvidia.com/gpu.product": "H100"},
        tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists", "tolerationSeconds": 30.0}],
        queue="",
        runtime="",
        image="registry/trainer@sha256:" + 64 * "0",
    )
    asked = launch(request=request, spec=load_spec("smoke", ["training.engine=deepspeed"]))
    with pytest.raises(InputError, match="there is no run at"):
        launch_training(asked)
    job = only(namespace)
    metadata, trainer = job["metadata"], job["spec"]["trainer"]
    assert metadata["labels"]["app.kubernetes.io/part-of"] == "grokcore"
    assert metadata["labels"]["kueue.x-k8s.io/queue-name"] == "lab-queue"
    assert metadata["labels"]["pipeline/runid"] == "2f1c-of-kubeflow"
    assert [(owner["kind"], owner["uid"]) for owner in metadata["ownerReferences"]] == [("Workflow", uid)]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (2, 4)
    assert trainer["image"] == request.image
    for resources in trainer["resourcesPerNode"].values():
        assert resources == {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "4"}
    (patch,) = job["spec"]["runtimePatches"]
    (node,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = node["template"]["spec"]["template"]
    assert pod["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": "H100"}
    assert pod["spec"]["tolerations"][0]["tolerationSeconds"] == 30
    assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "training"


def test_a_spec_reaches_the_job_as_it_is_whatever_kubernetes_would_put_into_it(
    namespace: Kubernetes, launch: Make, tmp_path: Path
):
    namespace.apply_runtime(
        [sys.executable, "-c", f"import sys; open({str(tmp_path / 'argv')!r}, 'w').write(sys.argv[2])"]
    )
    spec = load_spec("smoke", ["description='costs $(HOME) and $$5'"])
    with pytest.raises(InputError):
        launch_training(launch(spec=spec))
    assert load_spec((tmp_path / "argv").read_text()) == spec


@pytest.mark.parametrize("key", ["a", "K" * 128, "2f1c.of_Kubeflow-1"])
def test_a_name_is_the_same_each_time_and_leaves_room_for_those_of_pods(key: str, smoke_spec: ExperimentSpec):
    place = f"s3://bucket/runs/{smoke_spec.run_id}/{key}"
    name = job_name(smoke_spec.run_id, place)
    assert name == job_name(smoke_spec.run_id, place)
    assert name != job_name(smoke_spec.run_id, f"{place}x")
    assert len(name) <= LONGEST


def test_of_launchers_at_the_same_time_one_makes_the_job_and_the_others_follow_it(
    trained: None, namespace: Kubernetes, launch: Make
):
    namespace.apply_runtime(ends_with(0))
    together = threading.Barrier(3)

    def all_see_none(verb: str, resource: str) -> None:
        if (verb, resource) == ("create", JOBS) and namespace.count("create") <= 3:
            together.wait(30)

    namespace.fault = all_see_none
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(launch_training(launch()).exit_reason)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["budget_steps"] * 3
    assert len(namespace.ran) == 1


def test_an_answer_that_is_lost_makes_no_second_job(trained: None, namespace: Kubernetes, launch: Make):
    namespace.apply_runtime(ends_with(0))

    def lose_the_first(verb: str, resource: str) -> None:
        if (verb, resource) == ("create", JOBS) and namespace.count("create") == 1:
            raise ConnectionError

    namespace.after = lose_the_first
    assert launch_training(launch()).exit_reason == "budget_steps"
    assert len(namespace.ran) == 1


def test_a_run_that_is_done_is_collected_without_another_job(trained: None, namespace: Kubernetes, launch: Make):
    namespace.apply_runtime(ends_with(0))
    launch_training(launch())
    assert launch_training(launch()).step == 60
    assert namespace.count("create") == 1


def test_a_raised_budget_is_trained_in_a_new_job(trained: None, namespace: Kubernetes, launch: Make, said: Said):
    namespace.apply_runtime(ends_with(0))
    launch_training(launch())
    launch_training(launch(spec=load_spec("smoke", ["training.max_steps=80"])))
    assert (namespace.count("create"), namespace.count("delete")) == (2, 1)
    assert load_spec(only(namespace)["spec"]["trainer"]["args"][1]).training.max_steps == 80
    assert said.has("has ended: replacing it")


@pytest.fixture
def followed(namespace: Kubernetes, launch: Make) -> Iterator[list[BaseException]]:
    """A job that never ends, and a launcher that follows it; what the launcher has raised, once the job is deleted."""
    namespace.apply_runtime(WAITS)
    raised: list[BaseException] = []

    def follow() -> None:
        try:
            launch_training(launch())
        except Exception as error:
            raised.append(error)

    following = threading.Thread(target=follow)
    following.start()
    wait_until(lambda: namespace.running or not following.is_alive())
    yield raised
    wait_until(lambda: not namespace.jobs or not following.is_alive())
    following.join()


def test_another_budget_for_a_run_that_is_being_trained_is_refused(
    followed: list[BaseException], namespace: Kubernetes, launch: Make
):
    assert "another budget" in refuse(launch(spec=load_spec("smoke", ["training.max_steps=80"])))
    assert namespace.count("create") == 1
    delete(namespace)


def test_deleting_the_job_ends_the_wait(followed: list[BaseException], namespace: Kubernetes):
    delete(namespace)
    wait_until(lambda: followed)
    assert isinstance(followed[0], StoppedError)
    assert "was deleted" in str(followed[0])


def test_a_job_is_kept_by_each_workflow_that_waits_for_it(
    trained: None, namespace: Kubernetes, launch: Make, monkeypatch
):
    namespace.apply_runtime(ends_with(0))
    uids = [namespace.add_step(f"step-{number}", f"workflow-{number}") for number in range(2)]
    for number in range(2):
        monkeypatch.setenv("GROKCORE_POD_NAME", f"step-{number}")
        launch_training(launch())
    assert [owner["uid"] for owner in only(namespace)["metadata"]["ownerReferences"]] == uids


def test_a_run_that_is_there_is_found_out_without_a_job_where_none_is_allowed(
    trained: None, namespace: Kubernetes, launch: Make, monkeypatch: pytest.MonkeyPatch
):
    namespace.apply_runtime(ends_with(0))
    assert "there is a run" in refuse(launch(resume="never"))
    assert namespace.count("create") == 0
    monkeypatch.setenv("KFP_RETRY_INDEX", "1")  # the run that the first attempt has begun
    assert launch_training(launch(resume="never")).step == 60


def test_a_run_that_is_not_there_is_found_out_without_a_job_where_one_is_required(namespace: Kubernetes, launch: Make):
    namespace.apply_runtime(ends_with(0))
    assert "there is no run to resume" in refuse(launch(resume="require"))
    assert namespace.count("create") == 0


def test_a_runtime_that_is_missing_names_what_to_apply(namespace: Kubernetes, launch: Make):
    assert "apply manifests/components/trainjob" in refuse(launch())
    assert namespace.count("create") == 0


def test_data_of_another_task_are_refused_before_a_job_is_asked_for(namespace: Kubernetes, launch: Make):
    namespace.apply_runtime(PYTHON)
    assert "made for another task" in refuse(launch(spec=load_spec("smoke", ["task.seed=7"])))
    assert namespace.count("create") == 0


@pytest.mark.parametrize(
    ("overrides", "request_", "told"),
    [
        (["training.engine=native"], JobRequest(nodes=2), "have 2: override training.engine=deepspeed"),
        (["training.engine=native"], JobRequest(gpus=4), "have 4: override training.engine=deepspeed"),
        (["training.engine=deepspeed"], JobRequest(nodes=3, gpus=4), "cannot be shared by 12 processes"),
        (["training.precision=fp16"], JobRequest(gpus=0), "need a GPU"),
        (["training.device=cuda"], JobRequest(gpus=0), "need a GPU"),
    ],
)
def test_what_its_nodes_could_not_train_is_refused_before_a_job_is_asked_for(
    overrides: list[str], request_: JobRequest, told: str, namespace: Kubernetes, launch: Make
):
    namespace.apply_runtime(WAITS)
    assert told in refuse(launch(spec=load_spec("smoke", overrides), request=request_))
    assert namespace.count("create") == 0


@pytest.mark.parametrize("store", ["", "here", "./store", "gs://bucket"])
def test_a_store_that_other_machines_cannot_see_is_refused(store: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GROKCORE_STORE", raising=False)
    with pytest.raises(InputError, match="a store that all its pods can access"):
        shared_place(store, "run", "key")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodes", "0"),
        ("nodes", "two"),
        ("nodes", "1.5"),
        ("gpu_count", "-1"),
        ("cpu_limit", "four"),
        ("memory_limit", "16 GB"),
        ("gpu_type", "GPU!"),
        ("node_selector", {"gpu": 1}),
        ("node_selector", ["gpu"]),
        ("tolerations", {"key": "gpu"}),
        ("tolerations", ["gpu"]),
        ("queue", "Not A Name"),
        ("runtime", "../other"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(field: str, value: Any):
    form: dict[str, Any] = {
        "nodes": "1",
        "gpu_type": "nvidia.com/gpu",
        "gpu_count": "1",
        "cpu_limit": "4",
        "memory_limit": "16Gi",
        "node_selector": {},
        "tolerations": [],
        "queue": "",
        "runtime": "",
        "image": "",
    }
    JobRequest.of_form(**form)
    with pytest.raises(InputError, match=field):
        JobRequest.of_form(**{**form, field: value})
