"""architecture_comparison inside a pipeline of one's own."""

from kfp import dsl

from pipelines.training.architecture_comparison import architecture_comparison


@dsl.pipeline(name="architectures-with-few-and-many-values")
def few_and_many_values(store: str = "s3://experiments/grokcore"):
    """Compare architectures on an easy and on a hard task.

    Args:
        store: URI under which all runs are kept.
    """
    for values in (10, 40):
        comparison = architecture_comparison(overrides=f"task.values={values}", seeds="0..4", store=store)
        comparison.set_display_name(f"{values} values")
