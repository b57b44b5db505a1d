"""The body that pipelines over sweeps have in common: points side by side, the seeds of each inside one task."""

from typing import Any, NamedTuple

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.build_comparison import build_comparison
from components.evaluation.evaluate_runs import evaluate_runs
from components.training.train_seeds import train_seeds
from pipelines.settings import LIGHT, announce, keep_in_store, settle, settle_training

AT_ONCE = 8
"""Points that are trained side by side, at most: Kubeflow fixes it when a pipeline is compiled."""


@dsl.pipeline(name="sweep-point")
def sweep_point(
    spec: str,
    task_spec: str,
    seeds: str,
    sweep: str,
    store: str,
    run_key: str,
    gpu_type: str,
    gpu_count: str,
    cpu_limit: str,
    memory_limit: str,
    node_selector: dict,
    tolerations: list,
) -> NamedTuple("Point", [("evaluations", dsl.Artifact)]):
    """One point: its data, a training of all its seeds, their evaluations.

    A pipeline of its own, since a loop does not hand down parameters that nothing but a task's resources depends on.
    """
    data = generate_dataset(task=task_spec)
    settle(data, LIGHT, cache=True)  # a pure function of the task

    training = train_seeds(
        spec=spec, seeds=seeds, dataset=data.outputs["dataset"], store=store, run_key=run_key, sweep=sweep
    )
    settle_training(
        training,
        gpu_type=gpu_type,
        gpu_count=gpu_count,
        cpu_limit=cpu_limit,
        memory_limit=memory_limit,
        node_selector=node_selector,
        tolerations=tolerations,
    )

    evaluations = evaluate_runs(
        runs=training.outputs["runs"], models=training.outputs["models"], dataset=data.outputs["dataset"]
    )
    settle(evaluations, LIGHT, cache=False)  # also writes into the store, which a cache hit would leave out
    keep_in_store(evaluations)
    return NamedTuple("Point", [("evaluations", dsl.Artifact)])(evaluations.outputs["evaluations"])


def train_and_compare(pipeline: str, points: dsl.PipelineTask, **form: Any) -> None:
    """Train every point that a task has written out, evaluate it, and compare them all.

    Nothing in the loop takes the output of a task outside it but the item itself: the local runner would hand it the
    item instead. So an item carries all that belongs to its point.

    Args:
        pipeline: The pipeline's name.
        points: A task of resolve_sweep.
        form: The parameters of the pipeline's form that every point is given: store to tolerations.
    """
    with dsl.ParallelFor(points.output, parallelism=AT_ONCE) as point:
        trained = sweep_point(spec=point.spec, task_spec=point.task_spec, seeds=point.seeds, sweep=point.sweep, **form)
    comparison = build_comparison(evaluations=dsl.Collected(trained.outputs["evaluations"]))
    settle(comparison, LIGHT, cache=False)
    keep_in_store(comparison)
    announce(comparison, pipeline)
