"""One experiment from its form to its report: what pipelines carry out alike that differ in where they train."""

from collections.abc import Callable

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.build_report import build_report
from components.evaluation.evaluate_model import evaluate_model
from components.training.resolve_experiment import resolve_experiment
from pipelines.settings import LIGHT, VALIDATION, announce, keep_in_store, settle


def carry_out(
    pipeline: str,
    train: Callable[..., dsl.PipelineTask],
    *,
    preset: str,
    overrides: str,
    seed: int,
    gpu_count: str,
    compare_run_uris: list,
    nodes: str = "1",
) -> None:
    """Resolve, generate, train, evaluate, report.

    Args:
        pipeline: its name, as it announces its end.
        train: makes the task that trains, from `spec` and `dataset`, and settles it.
    """
    experiment = resolve_experiment(preset=preset, overrides=overrides, seed=seed, gpu_count=gpu_count, nodes=nodes)
    settle(experiment, VALIDATION, cache=False)  # takes a second, and a preset may change with the image

    data = generate_dataset(task=experiment.outputs["task"])
    settle(data, LIGHT, cache=True)  # a pure function of the task

    training = train(spec=experiment.outputs["spec"], dataset=data.outputs["dataset"])

    evaluation = evaluate_model(
        run=training.outputs["run"], model=training.outputs["model"], dataset=data.outputs["dataset"]
    )
    settle(evaluation, LIGHT, cache=False)  # also writes into the store, which a cache hit would leave out
    keep_in_store(evaluation)

    report = build_report(
        run=training.outputs["run"],
        evaluation=evaluation.outputs["evaluation"],
        compare_run_uris=compare_run_uris,
    )
    settle(report, LIGHT, cache=False)  # the runs it compares with may have changed
    keep_in_store(report)
    announce(report, pipeline)
