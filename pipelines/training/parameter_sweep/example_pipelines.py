"""parameter_sweep inside a pipeline of one's own."""

from kfp import dsl

from pipelines.training.parameter_sweep import parameter_sweep

WEIGHT_DECAY = """
name: how-much-decay
base: comparison-small
axes: [{kind: grid, field: training.weight_decay, values: [0, 0.1, 0.3, 1.0]}]
seeds: 0..4
"""


@dsl.pipeline(name="weight-decay-of-two-architectures")
def weight_decay_of_two_architectures(store: str = "s3://experiments/grokcore"):
    """Sweep weight decay for two architectures.

    Args:
        store: URI under which all runs are kept.
    """
    for architecture in ("gpt2", "llama"):
        sweep = parameter_sweep(sweep=WEIGHT_DECAY, overrides=f"model.architecture={architecture}", store=store)
        sweep.set_display_name(architecture)
