from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def report_outcome(schedule: str = "", run_name: str = ""):
    """Push the failure of a run to a Pushgateway, as the exit task of its pipeline.

    The last task of a pipeline (build_report, build_comparison, compare_with_champion or promote_champion) pushes
    success. If this task does not find it, the run has failed. Does nothing unless the environment names a Pushgateway
    (GROKCORE_PUSHGATEWAY) and the pipeline (GROKCORE_PIPELINE). Never fails: a run must not fail by its monitoring.

    Args:
        schedule: Name of the schedule that started this run, or of the champion of a retraining. Must be the same as
            in the last task.
        run_name: Name of the Kubeflow run, from which the name of a schedule made in the UI is taken.
    """
    from grokcore.telemetry.pushgateway import push_failure, schedule_of

    push_failure(print, schedule=schedule or schedule_of(run_name))
