"""Generate, then train in a job of two nodes with a GPU each."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.training.resolve_experiment import resolve_experiment
from components.training.train_model_trainjob import train_model_trainjob


@dsl.pipeline(name="train-model-trainjob-example")
def example_pipeline(
    preset: str = "smoke",
    overrides: str = "training.engine=deepspeed",
    store: str = "",
    run_key: str = "",
    gpu_count: str = "1",
):
    """Train a preset in a TrainJob.

    Args:
        preset: Name of a preset, or a whole specification.
        overrides: Changes to it. Several devices need DeepSpeed.
        store: URI under which runs are kept; every pod must have access.
        run_key: Name under which this run is kept.
        gpu_count: Accelerators of each node, as text.
    """
    experiment = resolve_experiment(preset=preset, overrides=overrides, gpu_count=gpu_count, nodes="2")
    data = generate_dataset(task=experiment.outputs["task"])
    train_model_trainjob(
        spec=experiment.outputs["spec"],
        dataset=data.outputs["dataset"],
        store=store,
        run_key=run_key,
        nodes="2",
        gpu_count=gpu_count,
    )
