"""Make the data of a preset's task."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.training.resolve_experiment import resolve_experiment


@dsl.pipeline(name="generate-dataset-example")
def example_pipeline(preset: str = "smoke"):
    """Generate the data of a preset.

    Args:
        preset: Name of a preset, or a whole specification.
    """
    experiment = resolve_experiment(preset=preset)
    generate_dataset(task=experiment.outputs["task"])
