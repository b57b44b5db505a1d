from pathlib import Path

import pytest


def test_the_example_runs_on_the_local_runner(local_runner: Path, tmp_path: Path):
    from components.training.resolve_retraining.example_pipelines import example_pipeline

    example_pipeline(store=str(tmp_path / "store"))
    assert list(local_runner.rglob("generate-dataset/dataset/dataset.json"))
    with pytest.raises(RuntimeError, match="resolve-retraining"):
        example_pipeline(store=str(tmp_path / "store"), seeds="0..1")
