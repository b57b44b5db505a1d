from typing import NamedTuple

from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def resolve_experiment(
    preset: str, overrides: str = "", seed: int = 0, gpu_count: str = "", nodes: str = "1"
) -> NamedTuple("Experiment", [("spec", str), ("task", str), ("run_id", str), ("dataset_id", str), ("gpu_count", str)]):
    """Validate an experiment before any expensive step, and compute its ids.

    Never retried, since a wrong specification stays wrong. A precision or engine of "auto" is resolved here, for the
    GPUs that the training will have.

    Args:
        preset: Name of a preset, or a whole specification as YAML or JSON. Never a path.
        overrides: Changes to single fields, separated by spaces, for example "model.layers=4 task.entities=400".
        seed: Seed of initialization and batch order. 0 keeps the seed of the specification, which is 0 in every preset.
        gpu_count: Number of GPUs per node of the training, as text. auto: what suits the experiment. Empty uses the
            hardware of this task.
        nodes: Number of nodes that train together, as text.

    Returns:
        spec: The resolved specification as JSON.
        task: Its task as JSON, which determines the dataset.
        run_id: Identity of the run: equal ids give equal curves.
        dataset_id: Identity of the dataset.
        gpu_count: Number of GPUs per node to request, as text: the input, or what suits the experiment.
    """
    from grokcore.spec import load_spec, split_overrides
    from grokcore.spec.hardware import gpus_for, resolve_elsewhere
    from grokcore.stage import stage

    with stage("resolve"):
        changes = split_overrides(overrides) + ([f"seed={seed}"] if seed else [])
        loaded = load_spec(preset, changes, allow_files=False, notify=print)
        experiment = resolve_elsewhere(loaded, gpu_count=gpu_count, nodes=nodes)
        gpus = gpus_for(loaded, gpu_count)
    task = experiment.task
    return (experiment.model_dump_json(), task.model_dump_json(), experiment.run_id, experiment.dataset_id, gpus)
