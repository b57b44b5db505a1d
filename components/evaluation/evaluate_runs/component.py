from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def evaluate_runs(
    runs: dsl.Input[dsl.Artifact],
    models: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    evaluations: dsl.Output[dsl.Artifact],
):
    """Evaluate the trained models of several seeds, and determine when each memorized and when it grokked.

    Args:
        runs: The artifact `runs` of train_seeds.
        models: The artifact `models` of train_seeds.
        dataset: Dataset that they were trained on, or the datasets of packed points.
        evaluations: Directory with the record and evaluation.json of each seed, in seed-N or point-K-seed-N, for
            analysis. Copies of the evaluations are kept with the runs in their store. Its metadata carry run_uris (by
            directory), sweep_uri.
    """
    from pathlib import Path

    import grokcore
    from grokcore.runs.artifacts import RUN_FILES, copy_files, join_run
    from grokcore.runs.manifest import read_manifest
    from grokcore.stage import stage
    from grokcore.sweeps.packs import find_dataset

    with stage("evaluate", Path(evaluations.path).parent):
        uris = runs.metadata.get("run_uris", {})
        for run in sorted(Path(runs.path).glob("*seed-*")):
            place = Path(evaluations.path) / run.name
            copy_files(run, place, RUN_FILES)
            evaluation = place / "evaluation.json"
            data = find_dataset(dataset.path, read_manifest(run).dataset.id)
            grokcore.evaluate_model(run, data=data, model=Path(models.path) / run.name, out=evaluation)
            join_run(uris.get(run.name), str(evaluation), "evaluation.json")
        evaluations.metadata.update(run_uris=uris, sweep_uri=runs.metadata.get("sweep_uri", ""))
