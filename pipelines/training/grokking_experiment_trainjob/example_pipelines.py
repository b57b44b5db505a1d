"""grokking_experiment_trainjob inside a pipeline of one's own."""

from kfp import dsl

from pipelines.training.grokking_experiment_trainjob import grokking_experiment_trainjob


@dsl.pipeline(name="thesis-on-two-nodes")
def thesis_on_two_nodes(store: str = "s3://experiments/grokcore"):
    """Train the study's model on two nodes of eight GPUs each.

    Args:
        store: URI under which the run is kept.
    """
    grokking_experiment_trainjob(preset="thesis", nodes="2", gpu_count="8", store=store)
