from pathlib import Path

import pytest


@pytest.mark.extended
def test_the_example_runs_on_the_local_runner(local_runner: Path):
    from components.training.train_seeds.example_pipelines import example_pipeline

    example_pipeline()
    (runs,) = local_runner.rglob("train-seeds/runs")
    (models,) = local_runner.rglob("train-seeds/models")
    assert {path.name for path in runs.iterdir()} == {"seed-0", "seed-1"}
    assert (runs / "seed-1" / "metrics.jsonl").stat().st_size
    assert (models / "seed-1" / "config.json").is_file()
