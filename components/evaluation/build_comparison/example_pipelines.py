"""Compare the points of a small sweep."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.build_comparison import build_comparison
from components.evaluation.evaluate_runs import evaluate_runs
from components.training.resolve_sweep import resolve_sweep
from components.training.train_seeds import train_seeds

SWEEP = """
name: two-widths
base: smoke
axes: [{kind: grid, field: model.width, values: [16, 32]}]
seeds: 0
"""


@dsl.pipeline(name="build-comparison-example")
def example_pipeline(sweep: str = SWEEP, store: str = "", run_key: str = ""):
    """Train and evaluate every point of a sweep, then compare them.

    Args:
        sweep: Name of a sweep, or a whole one.
        store: URI under which runs are kept. Empty leaves them in their artifacts.
        run_key: Name under which they are kept there.
    """
    points = resolve_sweep(sweep=sweep)
    with dsl.ParallelFor(points.output) as point:
        data = generate_dataset(task=point.task_spec)
        training = train_seeds(
            spec=point.spec,
            seeds=point.seeds,
            dataset=data.outputs["dataset"],
            store=store,
            run_key=run_key,
            sweep=point.sweep,
        )
        evaluations = evaluate_runs(
            runs=training.outputs["runs"], models=training.outputs["models"], dataset=data.outputs["dataset"]
        )
    build_comparison(evaluations=dsl.Collected(evaluations.outputs["evaluations"]))
