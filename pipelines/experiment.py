"""Tasks of one experiment, from its form to its report, common to pipelines that train in different ways."""

from collections.abc import Callable

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.analyze_model import analyze_model
from components.evaluation.build_report import build_report
from components.evaluation.evaluate_model import evaluate_model
from components.training.resolve_experiment import resolve_experiment
from grokcore.kfp import (
    ANALYSIS,
    LIGHT,
    VALIDATION,
    announce,
    configure,
    connect_store,
    track,
)


def add_experiment(
    pipeline: str,
    train: Callable[..., dsl.PipelineTask],
    *,
    preset: str,
    overrides: str,
    seed: int,
    gpu_count: str,
    compare_run_uris: list,
    analyze: bool,
    schedule: str,
    nodes: str = "1",
) -> None:
    """Add the tasks resolve, generate, train, evaluate and report, and on demand analyze, after which it reports again.

    Args:
        pipeline: name of the pipeline, for monitoring.
        train: creates and configures the training task, from `spec`, `dataset` and `gpu_count`.
    """
    experiment = resolve_experiment(preset=preset, overrides=overrides, seed=seed, gpu_count=gpu_count, nodes=nodes)
    configure(experiment, VALIDATION)  # takes a second, and a preset may change with the image

    data = generate_dataset(task=experiment.outputs["task"])
    configure(data, LIGHT)  # a pure function of the task

    training = train(
        spec=experiment.outputs["spec"], dataset=data.outputs["dataset"], gpu_count=experiment.outputs["gpu_count"]
    )

    evaluation = evaluate_model(
        run=training.outputs["run"], model=training.outputs["model"], dataset=data.outputs["dataset"]
    )
    configure(evaluation, LIGHT)  # also writes to the store, which a cache hit would skip
    connect_store(evaluation)

    report = build_report(
        run=training.outputs["run"],
        evaluation=evaluation.outputs["evaluation"],
        compare_run_uris=compare_run_uris,
        schedule=schedule,
        run_name=dsl.PIPELINE_JOB_NAME_PLACEHOLDER,
    )
    configure(report, LIGHT)  # the compared runs may have changed
    connect_store(report)
    track(report)  # keeps the page beside the run
    announce(report, pipeline)

    # A second report, since a task cannot wait for one that may not run: without analysis, none of this has a pod.
    with dsl.If(analyze == True, name="analyze"):  # noqa: E712 - a condition of the compiled pipeline
        analysis = analyze_model(
            run=training.outputs["run"], model=training.outputs["model"], dataset=data.outputs["dataset"]
        )
        configure(analysis, ANALYSIS)  # also writes to the store, and reads checkpoints from there
        connect_store(analysis)
        whole_report = build_report(
            run=analysis.outputs["analysis"],
            evaluation=evaluation.outputs["evaluation"],
            compare_run_uris=compare_run_uris,
        )
        whole_report.after(report)  # both write the run's report.html
        configure(whole_report, LIGHT)
        connect_store(whole_report)
        track(whole_report)
