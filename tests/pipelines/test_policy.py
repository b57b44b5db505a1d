"""What every task of every compiled pipeline must decide, checked on the compiled packages themselves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from ci.packages import targets
from components import images
from grokcore.spec import load_spec
from grokcore.spec.hardware import gpus_for
from grokcore.sweeps import loop_items
from grokcore.telemetry.endpoint import ANY

IMAGES = (images.RUNTIME, images.TRAINER)
CACHED = {"generate-dataset"}
"""Tasks that are pure functions of their inputs."""
UNRETRIED = {"resolve-experiment", "resolve-sweep", "resolve-retraining", "report-outcome"}
STORELESS = {"resolve-experiment", "resolve-sweep", "generate-dataset", "report-outcome"}
"""Tasks that are given no run, and so have no business with the store."""
SECRET = re.compile(r"password|passwd|secret|token|api_?key|access_?key|credential|webhook", re.IGNORECASE)


@dataclass(frozen=True)
class Task:
    pipeline: str
    name: str
    spec: dict[str, Any]
    container: dict[str, Any]
    kubernetes: dict[str, Any]
    parameters: dict[str, Any]
    """Fields of the pipeline's form."""
    around: dict[str, Any]
    """The component whose task it is."""
    components: dict[str, Any]

    @property
    def resources(self) -> dict[str, Any]:
        return self.container.get("resources", {})

    @property
    def gpu(self) -> dict[str, Any]:
        return self.resources.get("accelerator", {})


def compiled_tasks() -> Iterator[Task]:
    for target in targets():
        if target.module != "pipeline":
            continue
        package, platform = yaml.safe_load_all(target.compiled.read_text())
        executors = package["deploymentSpec"]["executors"]
        kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        parameters = package["root"]["inputDefinitions"]["parameters"]
        for name, spec, component, around in tasks_within(package["root"], package["components"]):
            label = component["executorLabel"]
            container, platform = executors[label]["container"], kubernetes.get(label, {})
            yield Task(target.name, name, spec, container, platform, parameters, around, package["components"])


def environment_of(task: Task, kind: str) -> dict[str, tuple[str, str]]:
    """Variables that a task takes from ConfigMaps or Secrets: the object's name and the key of each."""
    name, key = {"configMapAsEnv": ("configMapName", "configMapKey"), "secretAsEnv": ("secretName", "secretKey")}[kind]
    return {
        entry["envVar"]: (source[name], entry[key])
        for source in task.kubernetes.get(kind, [])
        for entry in source["keyToEnv"]
    }


def tasks_within(part: dict[str, Any], components: dict[str, Any]) -> Iterator[tuple[str, dict, dict, dict]]:
    """Tasks that are run in a pod, those in the bodies of loops too, each with its component and the one around it."""
    for name, spec in part["dag"]["tasks"].items():
        component = components[spec["componentRef"]["name"]]
        if "dag" in component:
            yield from tasks_within(component, components)
        else:
            yield name, spec, component, part


def type_of(task: Task, name: str) -> str:
    """Type of an input of a task, declared by the component around it or by the task whose output it is."""
    source = task.spec["inputs"]["parameters"][name]
    if "componentInputParameter" in source:
        declared = task.around["inputDefinitions"]["parameters"][source["componentInputParameter"]]
    else:
        producer = task.around["dag"]["tasks"][source["taskOutputParameter"]["producerTask"]]
        outputs = task.components[producer["componentRef"]["name"]]["outputDefinitions"]["parameters"]
        declared = outputs[source["taskOutputParameter"]["outputParameterKey"]]
    return str(declared["parameterType"])


TASKS = list(compiled_tasks())
PIPELINES = sorted({task.pipeline for task in TASKS})
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.pipeline}-{task.name}")
LAUNCHING = {"grokking_experiment_trainjob"}
"""Pipelines whose accelerators are those of a job."""
LAUNCHERS = [task for task in TASKS if task.name == "train-model-trainjob"]
GPU_TASKS = [task for task in TASKS if task.gpu]
each_gpu_task = pytest.mark.parametrize("task", GPU_TASKS, ids=lambda task: f"{task.pipeline}-{task.name}")


def test_there_are_tasks_to_judge():
    found = {pipeline: {task.name for task in TASKS if task.pipeline == pipeline} for pipeline in PIPELINES}
    assert found.keys() >= {
        "grokking_experiment",
        "grokking_experiment_trainjob",
        "parameter_sweep",
        "architecture_comparison",
        "scheduled_retraining",
    }
    assert all("generate-dataset" in names for names in found.values())
    assert {task.pipeline for task in GPU_TASKS} == found.keys() - LAUNCHING
    assert {task.pipeline for task in LAUNCHERS} == LAUNCHING


@each_task
def test_the_image_comes_from_the_one_module_and_never_moves(task: Task):
    image = task.container["image"]
    assert image in IMAGES
    assert re.search(r"@sha256:[0-9a-f]{64}$|:\d+\.\d+\.\d+[\w.-]*$", image)


@each_task
def test_cpu_and_memory_have_request_and_limit(task: Task):
    for resource in ("resourceCpuRequest", "resourceCpuLimit", "resourceMemoryRequest", "resourceMemoryLimit"):
        assert task.resources.get(resource), resource


@each_task
def test_resources_settable_at_run_time_are_strings(task: Task):
    """Over an integer the driver silently requests nothing."""
    for value in (task.resources, task.gpu):
        for placeholder in re.findall(r"pipelinechannel--([\w-]+)", str(value)):
            assert type_of(task, f"pipelinechannel--{placeholder}") == "STRING"


@each_task
def test_what_a_task_takes_from_around_it_is_there(task: Task):
    """The compiler drops a parameter on its way into a group when only the resources of a task depend on it."""
    around = task.around.get("inputDefinitions", {}).get("parameters", {})
    for name, source in task.spec.get("inputs", {}).get("parameters", {}).items():
        if "componentInputParameter" in source:
            assert source["componentInputParameter"] in around, name


@each_gpu_task
def test_the_gpu_is_settable_at_run_time(task: Task):
    assert "pipelinechannel--gpu_type" in task.gpu["resourceType"]
    assert re.search(r"pipelinechannel--(\w+-\w+-)?gpu_count'", task.gpu["resourceCount"])


@each_gpu_task
def test_a_gpu_task_has_shared_memory_and_a_place_to_run(task: Task):
    mounts = {mount["mountPath"]: mount for mount in task.kubernetes["emptyDirMounts"]}
    assert mounts["/dev/shm"]["medium"] == "Memory"
    assert mounts["/dev/shm"]["sizeLimit"]
    assert task.kubernetes["nodeSelector"]
    assert task.kubernetes["tolerations"]


@each_task
def test_caching_is_decided_for_each_task(task: Task):
    assert bool(task.spec["cachingOptions"].get("enableCache")) == (task.name in CACHED)


@each_task
def test_a_timeout_is_set(task: Task):
    assert int(task.kubernetes["activeDeadlineSeconds"]) > 0


@each_task
def test_a_retry_has_a_window_for_all_its_attempts(task: Task):
    retry = task.spec.get("retryPolicy")
    assert (retry is None) == (task.name in UNRETRIED)
    if retry:
        window = int(retry["backoffMaxDuration"].removesuffix("s"))
        assert window >= int(task.kubernetes["activeDeadlineSeconds"]) * (retry["maxRetryCount"] + 1)
        assert retry["backoffFactor"] == int(retry["backoffFactor"])


@each_task
def test_a_task_does_not_run_as_root(task: Task):
    assert task.kubernetes["securityContext"]["runAsNonRoot"] is True


@each_task
def test_a_task_reaches_the_store_unless_it_has_no_business_there(task: Task):
    """A task that has been given a run reads or writes it in the store, and fails without endpoint and credentials."""
    variables = {**environment_of(task, "configMapAsEnv"), **environment_of(task, "secretAsEnv")}
    reaches = {name: source for name, source in variables.items() if name.startswith(("AWS_", "GROKCORE_STORE"))}
    if task.name in STORELESS:
        assert reaches == {}
    else:
        assert reaches == {
            "GROKCORE_STORE": ("grokcore", "store"),
            "AWS_ENDPOINT_URL_S3": ("grokcore", "s3-endpoint"),
            "AWS_DEFAULT_REGION": ("grokcore", "s3-region"),
            "AWS_REQUEST_CHECKSUM_CALCULATION": ("grokcore", "s3-request-checksums"),
            "AWS_RESPONSE_CHECKSUM_VALIDATION": ("grokcore", "s3-response-checksums"),
            "AWS_ACCESS_KEY_ID": ("grokcore-s3", "AWS_ACCESS_KEY_ID"),
            "AWS_SECRET_ACCESS_KEY": ("grokcore-s3", "AWS_SECRET_ACCESS_KEY"),
        }


@each_task
def test_a_namespace_needs_none_of_the_objects_that_a_task_reads(task: Task):
    sources = [*task.kubernetes.get("configMapAsEnv", []), *task.kubernetes.get("secretAsEnv", [])]
    assert [source for source in sources if not source.get("optional")] == []


@each_task
def test_secrets_are_shown_as_variables_and_never_as_files_or_values(task: Task):
    assert "secretAsVolume" not in task.kubernetes
    literal = {variable["name"] for variable in task.container.get("env", [])}
    assert literal.isdisjoint(environment_of(task, "secretAsEnv"))


@each_gpu_task
def test_a_training_tells_the_webhook_and_names_the_dashboard_where_there_are_such(task: Task):
    assert environment_of(task, "secretAsEnv")["GROKCORE_WEBHOOK_URL"] == ("grokcore-webhook", "url")
    assert environment_of(task, "configMapAsEnv")["GROKCORE_DASHBOARD"] == ("grokcore", "dashboard")


@each_task
def test_what_trains_or_reports_a_run_shows_it_in_the_trackers_of_the_namespace(task: Task):
    settings, secrets = environment_of(task, "configMapAsEnv"), environment_of(task, "secretAsEnv")
    tracked = {name: source for name, source in {**settings, **secrets}.items() if "TRACK" in name or "MLFLOW" in name}
    if task.gpu or task.name.startswith("build-report"):
        assert tracked == {
            "GROKCORE_TRACK": ("grokcore", "track"),
            "MLFLOW_TRACKING_URI": ("grokcore", "mlflow-tracking-uri"),
            "MLFLOW_EXPERIMENT_NAME": ("grokcore", "mlflow-experiment"),
            "MLFLOW_TRACKING_USERNAME": ("grokcore-mlflow", "MLFLOW_TRACKING_USERNAME"),
            "MLFLOW_TRACKING_PASSWORD": ("grokcore-mlflow", "MLFLOW_TRACKING_PASSWORD"),
            "MLFLOW_TRACKING_TOKEN": ("grokcore-mlflow", "MLFLOW_TRACKING_TOKEN"),
        }
    else:
        assert tracked == {}


@each_gpu_task
def test_an_autoscaler_does_not_end_a_training_to_tidy_up(task: Task):
    annotations = task.kubernetes["podMetadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"


@each_task
def test_a_pod_is_labeled_so_that_network_policies_hold_for_it(task: Task):
    assert task.kubernetes["podMetadata"]["labels"]["app.kubernetes.io/part-of"] == "grokcore"


@each_task
def test_no_secret_is_passed_as_an_argument(task: Task):
    names = [*task.parameters, *task.spec.get("inputs", {}).get("parameters", {})]
    names += [variable["name"] for variable in task.container.get("env", [])]
    assert [name for name in names if SECRET.search(name)] == []


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_field_of_the_form_has_a_default_that_is_a_value(pipeline: str):
    parameters = next(task.parameters for task in TASKS if task.pipeline == pipeline)
    for name, parameter in parameters.items():
        assert parameter.get("defaultValue") is not None, name
        assert parameter["isOptional"], name


@pytest.mark.parametrize("task", LAUNCHERS, ids=lambda task: task.pipeline)
def test_a_launcher_needs_no_gpu_and_waits_as_long_as_a_training_takes(task: Task):
    assert task.container["image"] == images.RUNTIME
    assert not task.gpu
    assert int(task.kubernetes["activeDeadlineSeconds"]) == 8 * 24 * 3600
    given = task.spec["inputs"]["parameters"]
    assert given["image"]["runtimeValue"]["constant"] == images.TRAINER
    assert given["gpu_count"]["taskOutputParameter"]["producerTask"] == "resolve-experiment"
    for name in ("nodes", "gpu_type", "cpu_limit", "memory_limit", "queue", "runtime"):
        assert given[name]["componentInputParameter"] == name
        assert task.parameters[name]["parameterType"] == "STRING"
    fields = {entry["name"]: entry["fieldPath"] for entry in task.kubernetes["fieldPathAsEnv"]}
    assert fields["GROKCORE_POD_NAME"] == "metadata.name"
    assert environment_of(task, "configMapAsEnv")["GROKCORE_QUEUE"] == ("grokcore", "queue")


@each_gpu_task
def test_a_training_may_take_a_week(task: Task):
    assert int(task.kubernetes["activeDeadlineSeconds"]) == 8 * 24 * 3600


@each_gpu_task
def test_the_run_key_of_a_run_without_one_is_the_id_that_its_pods_are_labeled_with(task: Task):
    assert {"name": "GROKCORE_RUN_KEY", "fieldPath": "metadata.labels['pipeline/runid']"} in task.kubernetes[
        "fieldPathAsEnv"
    ]


@pytest.mark.parametrize("pipeline", ["parameter_sweep", "architecture_comparison"])
def test_a_loop_takes_nothing_from_outside_but_its_item_and_the_form(pipeline: str):
    """The local runner hands a loop's body the item in place of another task's output."""
    (package,) = [
        yaml.safe_load(target.compiled.read_text().split("\n---\n")[0])
        for target in targets()
        if target.name == pipeline
    ]
    (tasks,) = [component for name, component in package["components"].items() if name.endswith("-tasks")]
    (loop,) = [task for task in tasks["dag"]["tasks"].values() if "parameterIterator" in task]
    outside = [
        source["taskOutputParameter"]["outputParameterKey"]
        for source in loop["inputs"]["parameters"].values()
        if "taskOutputParameter" in source
    ]
    assert outside == ["Output"]
    assert "artifacts" not in loop["inputs"]
    assert 1 <= loop["iteratorPolicy"]["parallelismLimit"] <= 30


@each_gpu_task
def test_a_training_can_be_scraped_and_found(task: Task):
    metadata = task.kubernetes["podMetadata"]
    assert metadata["labels"]["app.kubernetes.io/component"] == "training"
    variables = {entry["name"]: entry["fieldPath"] for entry in task.kubernetes["fieldPathAsEnv"]}
    values = {
        name: metadata["annotations"][path.removeprefix("metadata.annotations['").removesuffix("']")]
        for name, path in variables.items()
        if path.startswith("metadata.annotations")
    }
    assert values["GROKCORE_METRICS_PORT"] == "9400"
    assert values["GROKCORE_METRICS_ADDRESS"] == ANY, "a cluster of IPv6 alone would scrape nothing"
    retries = task.spec["retryPolicy"]["maxRetryCount"]
    assert int(values["GROKCORE_ATTEMPT_LIMIT"]) == retries + 1
    literal = {entry["name"] for entry in task.container.get("env", [])}
    assert "GROKCORE_METRICS_PORT" not in literal, "the local runner would open a laptop's port to its network"


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_last_task_tells_of_success_and_the_exit_task_of_failure(pipeline: str):
    telling = [
        (entry["value"], task.name)
        for task in TASKS
        for entry in task.container.get("env", [])
        if task.pipeline == pipeline and entry["name"] == "GROKCORE_PIPELINE"
    ]
    assert {name for name, _ in telling} == {pipeline.replace("_", "-")}
    *last, outcome = [task for _, task in telling]
    # A retraining ends with its verdict, or with the promotion that follows from it: the component of either knows.
    assert last in (["build-report"], ["build-comparison"], ["compare-with-champion", "promote-champion"])
    assert outcome == "report-outcome"


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_exit_task_runs_however_all_other_tasks_end(pipeline: str):
    (target,) = [target for target in targets() if target.name == pipeline]
    package = next(yaml.safe_load_all(target.compiled.read_text()))
    tasks = package["root"]["dag"]["tasks"]
    assert tasks.keys() == {"exit-handler-1", "report-outcome"}
    assert tasks["report-outcome"]["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert tasks["report-outcome"]["dependentTasks"] == ["exit-handler-1"]


@each_task
def test_the_tasks_that_tell_know_gateway_namespace_and_run(task: Task):
    if "GROKCORE_PIPELINE" not in {variable["name"] for variable in task.container.get("env", [])}:
        return
    assert environment_of(task, "configMapAsEnv")["GROKCORE_PUSHGATEWAY"] == ("grokcore", "pushgateway")
    fields = {entry["name"]: entry["fieldPath"] for entry in task.kubernetes["fieldPathAsEnv"]}
    assert fields["GROKCORE_NAMESPACE"] == "metadata.namespace"
    assert fields["GROKCORE_RUN_KEY"] == "metadata.labels['pipeline/runid']"


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_form_as_it_is_trains_on_a_cpu_within_minutes(pipeline: str):
    parameters = next(task.parameters for task in TASKS if task.pipeline == pipeline)
    assert parameters["gpu_count"]["defaultValue"] == "auto"
    if "sweep" in parameters:
        items = loop_items(parameters["sweep"]["defaultValue"], gpu_count="auto")
        assert {item["gpu_count"] for item in items} == {"0"}
    else:
        assert gpus_for(load_spec(parameters["preset"]["defaultValue"]), "auto") == "0"
