from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def build_report(
    run: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    compare_run_uris: list = [],  # noqa: B006 - Kubeflow wants a value, and never changes it
    schedule: str = "",
    run_name: str = "",
):
    """Write the report of a run, optionally beside other runs.

    Args:
        run: The artifact `run` of train_model.
        evaluation: The artifact `evaluation` of evaluate_model.
        report: Self-contained HTML page, shown in the Kubeflow UI. A copy is kept with the run in its store.
        compare_run_uris: URIs of finished runs in the same store, or on S3, to show beside this one.
        schedule: Name of the schedule that started this run, for monitoring.
        run_name: Name of the Kubeflow run, from which the name of a schedule made in the UI is taken.
    """
    from pathlib import Path

    import grokcore
    from grokcore.runs.artifacts import join_run
    from grokcore.stage import stage
    from grokcore.storage.layout import comparable_runs
    from grokcore.telemetry.pushgateway import push_success, schedule_of

    with stage("report", Path(report.path).parent):
        others = comparable_runs(compare_run_uris, run.metadata.get("run_uri", ""))
        evaluations = [evaluation.path, *(f"{uri}/evaluation.json" for uri in others)]
        grokcore.build_report([run.path, *others], report.path, evaluations=evaluations)
        join_run(run.metadata.get("run_uri"), report.path, "report.html")
    push_success(print, schedule=schedule or schedule_of(run_name))
