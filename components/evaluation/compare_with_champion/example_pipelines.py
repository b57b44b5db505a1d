"""Judge runs that were evaluated before against the champion, without promoting them."""

from kfp import dsl

from components.evaluation.compare_with_champion import compare_with_champion


@dsl.pipeline(name="compare-with-champion-example")
def example_pipeline(
    evaluations_uri: str = "s3://experiments/pipelines/evaluate-runs/evaluations",
    champion: str = "default",
    gate: str = "confidence=0.99 minimum_seeds=8",
    store: str = "s3://experiments/grokcore",
    run_key: str = "by-hand",
):
    """Compare, and leave the rest to whoever reads the report.

    Args:
        evaluations_uri: The artifact `evaluations` of an earlier pipeline.
        champion: Name of the champion.
        gate: Rules of the gate that are not the usual ones.
        store: URI under which champions are kept.
        run_key: Name under which the decision is kept there.
    """
    evaluations = dsl.importer(artifact_uri=evaluations_uri, artifact_class=dsl.Artifact, reimport=True)
    compare_with_champion(evaluations=evaluations.output, champion=champion, gate=gate, store=store, run_key=run_key)
