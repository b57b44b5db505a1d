"""Evaluate a run that was trained some other time."""

from kfp import dsl

from components.evaluation.evaluate_model import evaluate_model


@dsl.pipeline(name="evaluate-model-example")
def example_pipeline(
    run_uri: str = "s3://experiments/grokcore/runs/RUN_ID/RUN_KEY",
    model_uri: str = "s3://experiments/grokcore/runs/RUN_ID/RUN_KEY/model",
    dataset_uri: str = "s3://experiments/grokcore/datasets/DATASET_ID",
):
    """Evaluate a finished run.

    Args:
        run_uri: The run.
        model_uri: Its model.
        dataset_uri: Dataset that it was trained on.
    """
    run = dsl.importer(artifact_uri=run_uri, artifact_class=dsl.Artifact, reimport=True)
    model = dsl.importer(artifact_uri=model_uri, artifact_class=dsl.Model, reimport=True)
    dataset = dsl.importer(artifact_uri=dataset_uri, artifact_class=dsl.Dataset, reimport=True)
    evaluate_model(run=run.output, model=model.output, dataset=dataset.output)
