"""Write out the points of a small sweep, and make the data of each."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.training.resolve_sweep import resolve_sweep

SWEEP = """
name: two-sizes
base: smoke
axes: [{kind: grid, field: task.entities, values: [30, 40]}]
seeds: 0..1
"""


@dsl.pipeline(name="resolve-sweep-example")
def example_pipeline(sweep: str = SWEEP):
    """Make the data of every point.

    Args:
        sweep: Name of a sweep, or a whole one.
    """
    points = resolve_sweep(sweep=sweep)
    with dsl.ParallelFor(points.output) as point:
        generate_dataset(task=point.task_spec)
