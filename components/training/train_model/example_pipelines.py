"""Generate, then train; the run stays in its artifact, since the pipeline names no store."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.training.resolve_experiment import resolve_experiment
from components.training.train_model import train_model


@dsl.pipeline(name="train-model-example")
def example_pipeline(preset: str = "smoke"):
    """Train a preset.

    Args:
        preset: Name of a preset, or a whole specification.
    """
    experiment = resolve_experiment(preset=preset)
    data = generate_dataset(task=experiment.outputs["task"])
    train_model(spec=experiment.outputs["spec"], dataset=data.outputs["dataset"])
