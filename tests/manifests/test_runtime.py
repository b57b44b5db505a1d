"""The runtime of TrainJobs: what its pods may do, how long they have to save, which failures are worth a restart."""

from __future__ import annotations

import re
from typing import Any

import pytest

import grokcore
from components import images
from grokcore.kfp import METRICS_PORT
from grokcore.telemetry.endpoint import ANY
from grokcore.training.distributed import torchrun
from tests.manifests.kustomize import container_of, job_of, training_runtime, with_components


def runtime(*more: str) -> dict[str, Any]:
    return training_runtime(with_components("trainjob", *more))


def pod_of(found: dict[str, Any]) -> dict[str, Any]:
    return dict(job_of(found)["spec"]["template"]["spec"])


def test_it_is_the_one_that_launchers_ask_for() -> None:
    found = runtime()
    assert (found["apiVersion"], found["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime")
    assert found["metadata"]["name"] == "grokcore-deepspeed"
    assert found["spec"]["mlPolicy"] == {"numNodes": 1, "torch": {}}
    assert job_of(found)["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}


def test_it_runs_the_command_line_through_torchrun_and_keeps_its_exit_codes() -> None:
    command = container_of(runtime())["command"]
    assert command[:2] == ["python3", "-m"]
    assert command[2:] == [torchrun.__name__, "--module", grokcore.__name__]


def test_it_runs_the_image_of_the_components() -> None:
    assert container_of(runtime())["image"] == images.TRAINER


@pytest.mark.parametrize("more", [(), ("gpu",), ("openshift",), ("spot", "gpu", "openshift")], ids="-".join)
def test_its_pods_are_what_the_standard_restricted_demands(more: tuple[str, ...]) -> None:
    pod, container = pod_of(runtime(*more)), container_of(runtime(*more))
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"].get("runAsUser") != 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"privileged", "procMount"} & container["securityContext"].keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {"emptyDir", "configMap", "secret"}
    assert all("hostPort" not in port for port in container["ports"])


def test_nothing_can_be_written_but_temporary_files_and_shared_memory() -> None:
    pod, container = pod_of(runtime()), container_of(runtime())
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    volumes = {volume["name"]: volume["emptyDir"] for volume in pod["volumes"]}
    mounted = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert mounted.keys() == {"/tmp", "/dev/shm"}
    assert "medium" not in mounted["/tmp"]
    assert mounted["/dev/shm"]["medium"] == "Memory"
    assert all(volume["sizeLimit"] for volume in volumes.values())


def test_a_training_reaches_the_store_by_its_account_and_the_api_server_not_at_all() -> None:
    pod = pod_of(runtime())
    assert pod["serviceAccountName"] == "grokcore"
    assert pod["automountServiceAccountToken"] is False


def test_there_is_time_to_save_before_the_kill() -> None:
    """torchrun tells its processes to end when it is told to, and kills them after a time of its own."""
    variables = {entry["name"]: entry.get("value") for entry in container_of(runtime())["env"]}
    grace = pod_of(runtime())["terminationGracePeriodSeconds"]
    assert grace >= 120
    assert grace - 30 < int(variables["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] or 0) < grace


def test_it_knows_its_port_and_how_often_it_may_be_tried() -> None:
    container = container_of(runtime())
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("metrics", METRICS_PORT)]
    assert variables["GROKCORE_METRICS_PORT"] == str(METRICS_PORT)
    assert variables["GROKCORE_METRICS_ADDRESS"] == ANY, "a cluster of IPv6 alone would scrape nothing"
    restarts = runtime()["spec"]["template"]["spec"]["failurePolicy"]["maxRestarts"]
    assert int(variables["GROKCORE_ATTEMPT_LIMIT"] or 0) == restarts + 1


@pytest.mark.parametrize(
    ("more", "exit_code", "disrupted", "action"),
    [
        ((), 2, False, "FailJobSet"),
        ((), 75, False, "RestartJobSet"),
        ((), 143, False, "RestartJobSet"),
        ((), 1, False, "RestartJobSet"),
        ((), 143, True, "RestartJobSet"),
        (("spot",), 2, False, "FailJobSet"),
        (("spot",), 75, False, "RestartJobSet"),
        (("spot",), 143, True, "RestartJobSetAndIgnoreMaxRestarts"),
    ],
)
def test_what_becomes_of_a_failure(more: tuple[str, ...], exit_code: int, disrupted: bool, action: str) -> None:
    assert outcome(runtime(*more), exit_code=exit_code, disrupted=disrupted) == action


def outcome(found: dict[str, Any], *, exit_code: int, disrupted: bool) -> str:
    """Action of JobSet after a pod failure: the Job's rules decide its reason, the JobSet's rules the action.

    The messages are those that Kubernetes' Job controller writes.
    """
    job = job_of(found)["spec"]
    assert job["backoffLimit"] == 0
    assert job["template"]["spec"]["restartPolicy"] == "Never", "the API server refuses a podFailurePolicy otherwise"
    reason, message = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    for index, rule in enumerate(job["podFailurePolicy"]["rules"]):
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions", [])
        assert rule["action"] == "FailJob"
        matching = f"matching FailJob rule at index {index}"
        if codes and codes["operator"] == "In" and exit_code in codes["values"]:
            reason = "PodFailurePolicy"
            message = f"Container node for pod lab/job-node-0-0-x7f2q failed with exit code {exit_code} {matching}"
            break
        if disrupted and any(condition["type"] == "DisruptionTarget" for condition in conditions):
            reason = "PodFailurePolicy"
            message = f"Pod lab/job-node-0-0-x7f2q has condition DisruptionTarget {matching}"
            break
    for rule in found["spec"]["template"]["spec"]["failurePolicy"]["rules"]:
        reasons, patterns = rule.get("onJobFailureReasons"), rule.get("onJobFailureMessagePatterns")
        if reasons and reason not in reasons:
            continue
        if patterns and not any(re.search(pattern, message) for pattern in patterns):
            continue
        return str(rule["action"])
    return "RestartJobSet"


def test_gpus_are_asked_for_and_their_nodes_tolerated() -> None:
    found = runtime("gpu")
    resources = container_of(found)["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "1"
    assert [toleration["key"] for toleration in pod_of(found)["tolerations"]] == ["nvidia.com/gpu"]
    assert "nvidia.com/gpu" not in container_of(runtime())["resources"]["limits"]


def test_spot_nodes_are_tolerated_and_preferred_but_not_insisted_on() -> None:
    pod = pod_of(runtime("spot"))
    assert len(pod["tolerations"]) == 2
    assert pod["affinity"]["nodeAffinity"].keys() == {"preferredDuringSchedulingIgnoredDuringExecution"}


def test_openshift_chooses_the_user_itself() -> None:
    assert {"runAsUser", "runAsGroup", "fsGroup"}.isdisjoint(pod_of(runtime("openshift"))["securityContext"])
    assert pod_of(runtime())["securityContext"]["runAsUser"] > 0
