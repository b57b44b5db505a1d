"""Promote the candidate of a decision that was made before, once a person has read it."""

from kfp import dsl

from components.training.promote_champion import promote_champion


@dsl.pipeline(name="promote-champion-example")
def example_pipeline(decision_uri: str = "s3://experiments/grokcore/retrainings/default/example.json"):
    """Carry out a decision, if its verdict is to promote.

    Args:
        decision_uri: Where compare_with_champion has written it.
    """
    decision = dsl.importer(artifact_uri=decision_uri, artifact_class=dsl.Artifact, reimport=True)
    promote_champion(decision=decision.output)
