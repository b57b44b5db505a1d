"""Common part of pipelines over sweeps: concurrent points, each with all its seeds in one task."""

from typing import Any, NamedTuple

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.build_comparison import build_comparison
from components.evaluation.evaluate_runs import evaluate_runs
from components.training.resolve_sweep import resolve_sweep
from components.training.train_seeds import train_seeds
from grokcore.kfp import (
    LIGHT,
    VALIDATION,
    announce,
    configure,
    configure_training,
    connect_store,
)

AT_ONCE = 8
"""Maximum number of concurrent points, fixed at compilation."""


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
    """Process one point: generate its dataset, train all its seeds, evaluate them.

    This is a pipeline, since a loop does not pass on parameters that only the resources of a task depend on.
    """
    data = generate_dataset(task=task_spec)
    configure(data, LIGHT)  # a pure function of the task

    training = train_seeds(
        spec=spec, seeds=seeds, dataset=data.outputs["dataset"], store=store, run_key=run_key, sweep=sweep
    )
    configure_training(
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
    configure(evaluations, LIGHT)  # also writes to the store, which a cache hit would skip
    connect_store(evaluations)
    return NamedTuple("Point", [("evaluations", dsl.Artifact)])(evaluations.outputs["evaluations"])


def train_and_compare(
    pipeline: str, *, sweep: str, overrides: str, seeds: str, only: list, gpu_count: str, schedule: str, **form: Any
) -> None:
    """Resolve a sweep, train and evaluate every point of it, then compare them.

    Inside the loop only the item may come from a task outside, since the local runner would pass the item in place of
    any other output. An item therefore contains everything about its point.

    Args:
        pipeline: name of the pipeline.
        schedule: schedule that started the run.
        form: parameters of the pipeline's form that apply to every point, from store to tolerations.
    """
    points = resolve_sweep(sweep=sweep, overrides=overrides, seeds=seeds, only=only, gpu_count=gpu_count)
    configure(points, VALIDATION)
    with dsl.ParallelFor(points.output, parallelism=AT_ONCE) as point:
        trained = sweep_point(
            spec=point.spec,
            task_spec=point.task_spec,
            seeds=point.seeds,
            sweep=point.sweep,
            gpu_count=point.gpu_count,
            **form,
        )
    comparison = build_comparison(
        evaluations=dsl.Collected(trained.outputs["evaluations"]),
        schedule=schedule,
        run_name=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
    )
    configure(comparison, LIGHT)
    connect_store(comparison)
    announce(comparison, pipeline)
