"""Analyze a run that was trained some other time."""

from kfp import dsl

from components.evaluation.analyze_model import analyze_model


@dsl.pipeline(name="analyze-model-example")
def example_pipeline(
    run_uri: str = "s3://experiments/grokcore/runs/RUN_ID/RUN_KEY",
    model_uri: str = "s3://experiments/grokcore/runs/RUN_ID/RUN_KEY/model",
    dataset_uri: str = "s3://experiments/grokcore/datasets/DATASET_ID",
    analyses: str = "",
):
    """Analyze the final model of a finished run.

    Args:
        run_uri: The run.
        model_uri: Its model.
        dataset_uri: Dataset that it was trained on.
        analyses: Names separated by commas; empty for those that are on.
    """
    run = dsl.importer(artifact_uri=run_uri, artifact_class=dsl.Artifact, reimport=True, metadata={"run_uri": run_uri})
    model = dsl.importer(artifact_uri=model_uri, artifact_class=dsl.Model, reimport=True)
    dataset = dsl.importer(artifact_uri=dataset_uri, artifact_class=dsl.Dataset, reimport=True)
    analyze_model(run=run.output, model=model.output, dataset=dataset.output, analyses=analyses)
