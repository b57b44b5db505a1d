"""Tell Prometheus when a run fails."""

from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.monitoring.report_outcome import report_outcome
from components.training.resolve_experiment import resolve_experiment


@dsl.pipeline(name="report-outcome-example")
def example_pipeline(preset: str = "smoke", schedule: str = "nightly"):
    """Generate a dataset, and report a failure of any task.

    Args:
        preset: Name of a preset.
        schedule: Name of the schedule that starts this pipeline.
    """
    outcome = report_outcome(schedule=schedule)
    outcome.set_env_variable("GROKCORE_PIPELINE", "report-outcome-example")
    with dsl.ExitHandler(outcome, name="reported"):
        experiment = resolve_experiment(preset=preset)
        generate_dataset(task=experiment.outputs["task"])
