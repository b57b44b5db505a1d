"""Draw the report of a run that was evaluated some other time."""

from kfp import dsl

from components.evaluation.build_report import build_report


@dsl.pipeline(name="build-report-example")
def example_pipeline(
    run_uri: str = "s3://experiments/grokcore/runs/RUN_ID/RUN_KEY",
    evaluation_uri: str = "s3://experiments/grokcore/runs/RUN_ID/RUN_KEY/evaluation.json",
):
    """Report a finished run.

    Args:
        run_uri: The run.
        evaluation_uri: Its evaluation.
    """
    run = dsl.importer(artifact_uri=run_uri, artifact_class=dsl.Artifact, reimport=True)
    evaluation = dsl.importer(artifact_uri=evaluation_uri, artifact_class=dsl.Artifact, reimport=True)
    build_report(run=run.output, evaluation=evaluation.output)
