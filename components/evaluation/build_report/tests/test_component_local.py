from pathlib import Path

from components.conftest import SmallRun


def test_the_example_reports_a_run_that_it_imports(local_runner: Path, small_run: SmallRun):
    from components.evaluation.build_report.example_pipelines import example_pipeline

    example_pipeline(run_uri=str(small_run.run), evaluation_uri=str(small_run.run / "evaluation.json"))
    (page,) = local_runner.rglob("build-report/report")
    assert "<html" in page.read_text()
