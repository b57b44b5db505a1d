"""scheduled_retraining inside a pipeline of one's own."""

from kfp import dsl

from pipelines.training.scheduled_retraining import scheduled_retraining


@dsl.pipeline(name="weight-decay-against-the-champion")
def weight_decay_against_the_champion(store: str = "s3://experiments/grokcore"):
    """Let two candidates run against one champion; whichever comes second is judged against the first if it won.

    Args:
        store: URI under which runs and champions are kept.
    """
    for decay in ("0.3", "1.0"):
        candidate = scheduled_retraining(
            preset="comparison-small",
            overrides=f"training.weight_decay={decay}",
            champion="weight-decay",
            store=store,
            run_key=f"decay-{decay}",
        )
        candidate.set_display_name(f"decay {decay}")
