from typing import NamedTuple

from kfp import dsl

from components.images import TRAINER


@dsl.component(base_image=TRAINER, install_kfp_package=False)
def train_seeds(
    spec: str,
    seeds: str,
    dataset: dsl.Input[dsl.Dataset],
    runs: dsl.Output[dsl.Artifact],
    models: dsl.Output[dsl.Model],
    store: str = "",
    run_key: str = "",
    resume: str = "auto",
    sweep: str = "",
) -> NamedTuple("Trainings", [("run_uris", list)]):
    """Train several seeds of one experiment in one task, each as an ordinary run.

    One task trains all seeds, since a small model leaves most of a GPU idle and a loop over points times seeds would
    exceed the size of a workflow. Checkpoints go to the store, where a retry finds them.

    Args:
        spec: The experiment as JSON, from resolve_sweep.
        seeds: Seeds of initialization and batch order, for example 0..4 or 0,3,5.
        dataset: Dataset of this experiment's task; any other is refused.
        runs: Directory with spec.yaml, manifest.json and metrics.jsonl of each seed, in seed-N. Its metadata carry
            run_uris (by seed-N), dataset_id and sweep_uri.
        models: Directory with a model of each seed, in seed-N, that transformers.AutoModelForCausalLM loads. Its
            metadata carry framework.
        store: URI under which runs are kept. Empty takes GROKCORE_STORE, else only their artifact keeps them.
        run_key: Key that tells runs of the same specs apart. Empty takes GROKCORE_RUN_KEY, else the pipeline run's id.
        resume: "auto" resumes from the last checkpoints if there are any; see grokcore.train_model.
        sweep: Name of the sweep of these runs; its comparison is kept in the store under this name.

    Returns:
        run_uris: URIs of the runs, in the order of the seeds: {store}/runs/{run_id}/{run_key}.
    """
    from pathlib import Path

    import grokcore
    from grokcore.runs.artifacts import collect_run, log_header
    from grokcore.spec import load_spec
    from grokcore.spec.loading import parse_seeds
    from grokcore.stage import stage
    from grokcore.storage.layout import default_key, run_place, sweep_place

    with stage("train", Path(runs.path).parent):
        experiment = load_spec(spec, allow_files=False)
        specs = [experiment.model_copy(update={"seed": seed}) for seed in parse_seeds(seeds)]
        artifacts = [f"{runs.path}/seed-{one.seed}" for one in specs]
        key = default_key(run_key, runs.uri)
        places = [run_place(store, one.run_id, key) or artifact for one, artifact in zip(specs, artifacts, strict=True)]
        for one, place in zip(specs, places, strict=True):
            print(log_header(place, one.run_id), flush=True)
        results = grokcore.train_seeds(specs, dataset.path, places, resume=resume, stop_with_parent=True, notify=print)
        for one, result, place, artifact in zip(specs, results, places, artifacts, strict=True):
            collect_run(place, artifact, f"{models.path}/seed-{one.seed}")
            print(f"seed {one.seed}: {result.exit_reason} after {result.step} steps")
        kept = {
            f"seed-{one.seed}": f"{runs.uri}/seed-{one.seed}" if place == artifact else place
            for one, place, artifact in zip(specs, places, artifacts, strict=True)
        }
        runs.metadata.update(run_uris=kept, dataset_id=experiment.dataset_id, sweep_uri=sweep_place(store, sweep) or "")
        models.metadata.update(framework="transformers")
    return (list(kept.values()),)
