from typing import NamedTuple

from kfp import dsl

from components.images import TRAINER


@dsl.component(base_image=TRAINER, install_kfp_package=False)
def train_model(
    spec: str,
    dataset: dsl.Input[dsl.Dataset],
    run: dsl.Output[dsl.Artifact],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    store: str = "",
    run_key: str = "",
    resume: str = "auto",
) -> NamedTuple("Training", [("run_uri", str), ("exit_reason", str)]):
    """Train a model far past overfitting, and record every evaluation.

    Checkpoints go to the store, where a retry finds them, since Kubeflow drops the artifacts of a failed task. They are
    not artifacts. With the engine deepspeed, training uses every GPU of the pod.

    Args:
        spec: The experiment as JSON, the output `spec` of resolve_experiment.
        dataset: Dataset of this experiment's task; any other is refused.
        run: Directory with spec.yaml, manifest.json and metrics.jsonl. Its metadata carry run_uri, run_id, dataset_id.
        model: Directory that transformers.AutoModelForCausalLM loads. Its metadata carry framework, run_id.
        metrics: Final accuracies, and the steps at which memorization and grokking were reached.
        store: URI under which runs are kept. Empty takes GROKCORE_STORE, else only its artifact keeps the run.
        run_key: Key that distinguishes runs of the same spec. Empty takes GROKCORE_RUN_KEY, else the pipeline run's id.
        resume: "auto" resumes from the run's last checkpoint if there is one; see grokcore.train_model.

    Returns:
        run_uri: URI of the run: {store}/runs/{run_id}/{run_key}.
        exit_reason: Why training ended, for example "budget_steps" or "grokked".
    """
    from grokcore.runs import JOURNAL, read_journal
    from grokcore.runs.artifacts import collect_run, log_header, run_scalars
    from grokcore.spec import load_spec
    from grokcore.stage import stage
    from grokcore.storage.layout import default_key, run_place
    from grokcore.training.distributed.launch import train_on_all_devices

    with stage("train"):  # before the run's location is known
        experiment = load_spec(spec, allow_files=False)
        place = run_place(store, experiment.run_id, default_key(run_key, run.uri)) or run.path
        print(log_header(place, experiment.run_id), flush=True)
    with stage("train", place):
        result = train_on_all_devices(
            experiment, dataset.path, place, resume=resume, stop_with_parent=True, notify=print
        )
        directory = collect_run(place, run.path, model.path)
        run_uri = run.uri if place == run.path else place
        run.metadata.update(run_uri=run_uri, run_id=experiment.run_id, dataset_id=experiment.dataset_id)
        model.metadata.update(framework="transformers", run_id=experiment.run_id)
        for name, value in run_scalars(read_journal(directory / JOURNAL)[-1]).items():
            metrics.log_metric(name, value)
    return (run_uri, result.exit_reason)
