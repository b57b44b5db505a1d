"""Train two seeds of a small experiment, and evaluate them."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.evaluate_runs import evaluate_runs
from components.training.resolve_experiment import resolve_experiment
from components.training.train_seeds import train_seeds


@dsl.pipeline(name="evaluate-runs-example")
def example_pipeline(preset: str = "smoke", seeds: str = "0..1"):
    """Train and evaluate a preset with several seeds.

    Args:
        preset: Name of a preset, or a whole specification.
        seeds: Seeds of initialization and batch order.
    """
    experiment = resolve_experiment(preset=preset)
    data = generate_dataset(task=experiment.outputs["task"])
    training = train_seeds(spec=experiment.outputs["spec"], seeds=seeds, dataset=data.outputs["dataset"])
    evaluate_runs(runs=training.outputs["runs"], models=training.outputs["models"], dataset=data.outputs["dataset"])
