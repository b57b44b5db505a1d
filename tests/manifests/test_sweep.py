"""The Indexed Job of a sweep: one pod per shard, each started as the command line takes it."""

from __future__ import annotations

from typing import Any

import pytest

from components import images
from grokcore.cli.parser import build_parser
from grokcore.cluster.trainjobs.api import QUEUE_LABEL
from grokcore.errors import EXIT_BAD_INPUT
from grokcore.sweeps import Shard, load_sweep
from tests.manifests.kustomize import MANIFESTS, build, of_kind, with_components
from tests.manifests.test_names import CONFIG_MAPS, SECRETS


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    (job,) = build(MANIFESTS / "sweep")
    return dict(job)


def container(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return dict(container)


def command(job: dict[str, Any], index: int) -> list[str]:
    """The command of a pod, with its variables filled in as the kubelet does."""
    values = {entry["name"]: entry["value"] for entry in container(job)["env"] if "value" in entry}
    values |= {"JOB_COMPLETION_INDEX": str(index), "GROKCORE_STORE": "s3://bucket/store"}
    words = []
    for word in [*container(job)["command"], *container(job)["args"]]:
        for name, value in values.items():
            word = word.replace(f"$({name})", value)
        words.append(word)
    assert "$(" not in " ".join(words)
    return words


def test_every_pod_trains_one_shard_of_a_sweep_that_there_is(job: dict[str, Any]) -> None:
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    shards = []
    for index in range(spec["completions"]):
        options = build_parser().parse_args(command(job, index)[1:])
        shards.append(Shard.parse(options.shard))
        assert load_sweep(options.sweep).tuning is None
        assert options.out == "s3://bucket/store"
    assert shards == [Shard(index, spec["completions"]) for index in range(spec["completions"])]
    assert spec["parallelism"] == spec["completions"], "Kueue alone lowers it"
    assert container(job)["image"] == images.TRAINER


def test_wrong_input_is_not_tried_again_and_a_preemption_costs_no_attempt(job: dict[str, Any]) -> None:
    wrong, disrupted = job["spec"]["podFailurePolicy"]["rules"]
    assert wrong == {
        "action": "FailIndex",
        "onExitCodes": {"containerName": container(job)["name"], "operator": "In", "values": [EXIT_BAD_INPUT]},
    }
    assert disrupted["action"] == "Ignore"
    assert job["spec"]["backoffLimitPerIndex"] >= 1
    assert "backoffLimit" not in job["spec"], "one shard must not end the others"


def test_it_waits_in_the_queue_that_the_component_makes(job: dict[str, Any]) -> None:
    queue = of_kind(with_components("kueue"), "LocalQueue")
    assert job["metadata"]["labels"][QUEUE_LABEL] in queue
    (local,) = (item for item in with_components("kueue") if item["kind"] == "LocalQueue")
    assert local["apiVersion"] == "kueue.x-k8s.io/v1beta2"


def test_its_pods_have_the_store_of_a_task(job: dict[str, Any]) -> None:
    found = {}
    for entry in container(job)["env"]:
        if "valueFrom" in entry:
            ((_, reference),) = entry["valueFrom"].items()
            found[entry["name"]] = (reference["name"], reference["key"])
    of_tasks = {**CONFIG_MAPS, **SECRETS}
    elsewhere = {"GROKCORE_PUSHGATEWAY", "GROKCORE_QUEUE", "GROKCORE_DASHBOARD", "GROKCORE_PLACEMENT_SECONDS"}
    assert found == {name: source for name, source in of_tasks.items() if name not in elsewhere}
