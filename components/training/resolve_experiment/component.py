from typing import NamedTuple

from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def resolve_experiment(
    preset: str, overrides: str = "", seed: int = 0, gpu_count: str = "", nodes: str = "1"
) -> NamedTuple("Experiment", [("spec", str), ("task", str), ("run_id", str), ("dataset_id", str)]):
    """Validate an experiment before anything is spent on it, and name what it will make.

    Never retried: what is wrong with a specification stays wrong. What a specification leaves to the hardware, a
    precision or an engine of "auto", is decided here, for the GPUs that the training will have.

    Args:
        preset: Name of a preset, or a whole specification as YAML or JSON. Never a path.
        overrides: Changes to single fields, separated by blanks, for example "model.layers=4 task.entities=400".
        seed: Seed of initialisation and order. 0 leaves the seed of the specification, which is 0 in every preset.
        gpu_count: Number of GPUs that each node of the training will have, as text. Empty takes what this task finds.
        nodes: Number of nodes that will train together, as text.

    Returns:
        spec: The whole specification as JSON, with nothing left to choose.
        task: The part of it that makes the data, as JSON.
        run_id: Identity of the result; the same for every run that must give the same curve.
        dataset_id: Identity of the data.
    """
    from grokcore.spec import load_spec, split_overrides
    from grokcore.spec.hardware import resolve_elsewhere
    from grokcore.stage import stage

    with stage("resolve"):
        changes = split_overrides(overrides) + ([f"seed={seed}"] if seed else [])
        loaded = load_spec(preset, changes, allow_files=False, notify=print)
        experiment = resolve_elsewhere(loaded, gpu_count=gpu_count, nodes=nodes)
    task = experiment.task
    return (experiment.model_dump_json(), task.model_dump_json(), experiment.run_id, experiment.dataset_id)
