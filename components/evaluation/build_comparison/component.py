from typing import List  # noqa: UP035 - the only spelling that Kubeflow reads

from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def build_comparison(
    evaluations: dsl.Input[List[dsl.Artifact]],  # noqa: UP006
    report: dsl.Output[dsl.HTML],
    results: dsl.Output[dsl.Dataset],
    schedule: str = "",
    run_name: str = "",
):
    """Compare all runs of a sweep: an HTML page, verdicts on claims, and tables.

    Args:
        evaluations: The artifacts `evaluations` of evaluate_runs, collected after a ParallelFor.
        report: Self-contained HTML page, shown in the Kubeflow UI.
        results: Directory with runs.csv, runs.parquet, curves.parquet and claims.json, for further analysis. A copy is
            kept with the sweep in its store.
        schedule: Name of the schedule that started this run, for monitoring.
        run_name: Name of the Kubeflow run, from which the name of a schedule made in the UI is taken.
    """
    import shutil
    from pathlib import Path

    import grokcore
    from grokcore.runs.artifacts import join_sweep
    from grokcore.stage import stage
    from grokcore.telemetry.pushgateway import push_success, schedule_of

    with stage("compare", Path(report.path).parent):
        grokcore.build_comparison([evaluation.path for evaluation in evaluations], results.path)
        shutil.copyfile(Path(results.path) / "report.html", report.path)
        for uri in sorted({evaluation.metadata.get("sweep_uri", "") for evaluation in evaluations} - {""}):
            join_sweep(uri, results.path)
    push_success(print, schedule=schedule or schedule_of(run_name))
