"""grokking_experiment inside a pipeline of one's own."""

from kfp import dsl

from pipelines.training.grokking_experiment import grokking_experiment


@dsl.pipeline(name="two-architectures")
def two_architectures(store: str = "s3://experiments/grokcore"):
    """Train two architectures on the same data.

    Args:
        store: URI under which both runs are kept.
    """
    for architecture in ("gpt2", "llama"):
        experiment = grokking_experiment(
            preset="comparison-small", overrides=f"model.architecture={architecture}", store=store
        )
        experiment.set_display_name(architecture)
