"""Validate a retraining, and make its data."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.training.resolve_retraining import resolve_retraining


@dsl.pipeline(name="resolve-retraining-example")
def example_pipeline(preset: str = "smoke", seeds: str = "0..4", store: str = "s3://experiments/grokcore"):
    """Refuse what could never be promoted, before anything is generated.

    Args:
        preset: Name of a preset, or a whole specification.
        seeds: Seeds of initialization and batch order.
        store: URI of the store that the champion lies in.
    """
    retraining = resolve_retraining(preset=preset, seeds=seeds, store=store)
    generate_dataset(task=retraining.outputs["task"])
