"""Validate an experiment before a pipeline spends anything on it."""

from kfp import dsl

from components.training.resolve_experiment import resolve_experiment


@dsl.pipeline(name="resolve-experiment-example")
def example_pipeline(preset: str = "smoke", overrides: str = "model.layers=2"):
    """Resolve a preset.

    Args:
        preset: Name of a preset, or a whole specification.
        overrides: Changes to it.
    """
    resolve_experiment(preset=preset, overrides=overrides, seed=1)
