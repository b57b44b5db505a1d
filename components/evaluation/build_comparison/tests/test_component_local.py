from pathlib import Path

import pytest


@pytest.mark.extended
def test_the_example_compares_the_points_of_a_sweep(local_runner: Path, tmp_path: Path):
    from components.evaluation.build_comparison.example_pipelines import example_pipeline

    store = tmp_path / "store"
    example_pipeline(store=str(store), run_key="a")
    (page,) = local_runner.rglob("build-comparison/report")
    assert "<html" in page.read_text()
    assert len(list(store.glob("runs/*/a/evaluation.json"))) == 2
    assert (store / "sweeps" / "two-widths" / "report.html").read_text() == page.read_text()
    (results,) = local_runner.rglob("build-comparison/results")
    assert {"runs.csv", "runs.parquet", "curves.parquet", "claims.json"} <= {path.name for path in results.iterdir()}
