from typing import NamedTuple

from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def train_model_trainjob(
    spec: str,
    dataset: dsl.Input[dsl.Dataset],
    run: dsl.Output[dsl.Artifact],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    store: str = "",
    run_key: str = "",
    resume: str = "auto",
    nodes: str = "1",
    gpu_type: str = "nvidia.com/gpu",
    gpu_count: str = "1",
    cpu_limit: str = "4",
    memory_limit: str = "16Gi",
    node_selector: dict = {},  # noqa: B006 - the default of an input
    tolerations: list = [],  # noqa: B006
    queue: str = "",
    runtime: str = "grokcore-deepspeed",
    image: str = "",
) -> NamedTuple("Training", [("run_uri", str), ("exit_reason", str)]):
    """Train a model as train_model does, but in a Kubeflow TrainJob on one or several nodes.

    This task needs no GPU: it creates the job, follows the run in the store, and collects its results. A retry follows
    the same job. The job is owned by the Workflow. If the Kubeflow run is canceled, the job is deleted at once, or else
    stops by itself within a quarter of an hour; it saves first. A job whose pods no node takes for an hour is deleted.

    Args:
        spec: The experiment as JSON, the output `spec` of resolve_experiment.
        dataset: Dataset of this experiment's task; any other is refused. The job gets a copy.
        run: Directory with spec.yaml, manifest.json and metrics.jsonl. Its metadata carry run_uri, run_id, dataset_id.
        model: Directory that transformers.AutoModelForCausalLM loads. Its metadata carry framework, run_id.
        metrics: Final accuracies, and the steps at which memorization and grokking were reached.
        store: URI under which runs are kept; every pod of the job must have access. Empty takes GROKCORE_STORE.
        run_key: Key that distinguishes runs of the same spec. Empty takes GROKCORE_RUN_KEY, else the pipeline run's id.
        resume: "auto" resumes from the run's last checkpoint if there is one; see grokcore.train_model.
        nodes: Number of pods that train together, as text.
        gpu_type: Resource name of the accelerator.
        gpu_count: Number of accelerators per node, as text, with one process each. 0 trains on the CPU.
        cpu_limit: Processors of each node, as text.
        memory_limit: Memory of each node, as text.
        node_selector: Labels of the nodes to train on.
        tolerations: Taints that the training tolerates, as a list of Kubernetes tolerations.
        queue: LocalQueue of Kueue to wait in. Empty takes GROKCORE_QUEUE, else none.
        runtime: TrainingRuntime of the namespace for the job.
        image: Image of the job's pods. Empty takes the runtime's.

    Returns:
        run_uri: URI of the run: {store}/runs/{run_id}/{run_key}.
        exit_reason: Why training ended, for example "budget_steps" or "grokked".
    """
    import sys

    from grokcore.cluster.trainjobs import JobRequest, Launch, launch_training, shared_place
    from grokcore.runs import JOURNAL, read_journal
    from grokcore.runs.artifacts import collect_run, log_header, run_scalars
    from grokcore.spec import load_spec
    from grokcore.stage import stage
    from grokcore.storage import open_store
    from grokcore.storage.layout import default_key
    from grokcore.terminal.display import RunDisplay

    with stage("train"):  # before the run's location is known
        experiment = load_spec(spec, allow_files=False)
        place = shared_place(store, experiment.run_id, default_key(run_key, run.uri))
        request = JobRequest.of_form(
            nodes=nodes,
            gpu_type=gpu_type,
            gpu_count=gpu_count,
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
            node_selector=node_selector,
            tolerations=tolerations,
            queue=queue,
            runtime=runtime,
            image=image,
        )
        print(log_header(place, experiment.run_id), flush=True)
    with stage("train", place):
        display = RunDisplay(sys.stdout, open_store(place), max_steps=experiment.training.max_steps)
        launch = Launch(experiment, dataset.path, place, request, resume, display.show, display.tell)
        with display.closed_at_end():
            result = launch_training(launch, stop_with_parent=True)
            display.end(result.exit_reason)
        directory = collect_run(place, run.path, model.path)
        run.metadata.update(run_uri=place, run_id=experiment.run_id, dataset_id=experiment.dataset_id)
        model.metadata.update(framework="transformers", run_id=experiment.run_id)
        for name, value in run_scalars(read_journal(directory / JOURNAL)[-1]).items():
            metrics.log_metric(name, value)
    return (place, result.exit_reason)
