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
    """Train several seeds of one experiment, or of several, in one task, each as an ordinary run.

    One task trains all seeds, since a small model leaves most of a GPU idle and a loop over points times seeds would
    exceed the size of a workflow. Checkpoints go to the store, where a retry finds them. One experiment after the other
    is trained; one that fails stops no other.

    Args:
        spec: The experiment as JSON, from resolve_sweep; or several, as in an item that packs points.
        seeds: Seeds of initialization and batch order, for example 0..4 or 0,3,5.
        dataset: Dataset of this experiment's task, or those of all; any other is refused.
        runs: Directory with spec.yaml, manifest.json and metrics.jsonl of each seed, in seed-N; of packed points, in
            point-K-seed-N. Its metadata carry run_uris (by directory), dataset_id and sweep_uri.
        models: Directory with a model of each seed, named likewise, that transformers.AutoModelForCausalLM loads. Its
            metadata carry framework.
        store: URI under which runs are kept. Empty takes GROKCORE_STORE, else only their artifact keeps them.
        run_key: Key that tells runs of the same specs apart. Empty takes GROKCORE_RUN_KEY, else the pipeline run's id.
        resume: "auto" resumes from the last checkpoints if there are any; see grokcore.train_model.
        sweep: Name of the sweep of these runs; its comparison is kept in the store under this name.

    Returns:
        run_uris: URIs of the runs, in the order of the experiments, then of the seeds: {store}/runs/{run_id}/{run_key}.
    """
    from pathlib import Path

    from grokcore.runs.artifacts import collect_run, log_header
    from grokcore.spec.loading import parse_seeds
    from grokcore.stage import stage
    from grokcore.storage.layout import default_key, run_place, sweep_place
    from grokcore.sweeps.packed import train_points
    from grokcore.sweeps.packs import decode_experiments

    with stage("train", Path(runs.path).parent):
        experiments = decode_experiments(spec)
        prefixes = [f"point-{number:03d}-" for number in range(len(experiments))] if len(experiments) > 1 else [""]
        points = [
            {f"{prefix}seed-{seed}": experiment.model_copy(update={"seed": seed}) for seed in parse_seeds(seeds)}
            for prefix, experiment in zip(prefixes, experiments, strict=True)
        ]
        specs = {name: one for point in points for name, one in point.items()}
        key = default_key(run_key, runs.uri)
        places = {name: run_place(store, one.run_id, key) or f"{runs.path}/{name}" for name, one in specs.items()}
        for name, one in specs.items():
            print(log_header(places[name], one.run_id), flush=True)
        trainings = [{places[name]: one for name, one in point.items()} for point in points]
        results = train_points(trainings, dataset.path, resume=resume, notify=print)
        for (name, place), result in zip(places.items(), results, strict=True):
            collect_run(place, f"{runs.path}/{name}", f"{models.path}/{name}")
            print(f"{name.replace('-', ' ')}: {result.exit_reason} after {result.step} steps")
        kept = {
            name: f"{runs.uri}/{name}" if place == f"{runs.path}/{name}" else place for name, place in places.items()
        }
        datasets = ",".join(dict.fromkeys(one.dataset_id for one in experiments))
        runs.metadata.update(run_uris=kept, dataset_id=datasets, sweep_uri=sweep_place(store, sweep) or "")
        models.metadata.update(framework="transformers")
    return (list(kept.values()),)
