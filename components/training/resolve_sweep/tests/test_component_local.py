from pathlib import Path

import pytest

from components.training.resolve_sweep import resolve_sweep


@pytest.mark.usefixtures("local_runner")
def test_runs_on_the_local_runner():
    from components.training.resolve_sweep.example_pipelines import SWEEP

    points = resolve_sweep(sweep=SWEEP).output
    assert [point["point"] for point in points] == ["task.entities=30", "task.entities=40"]


@pytest.mark.extended
def test_the_example_makes_the_data_of_every_point(local_runner: Path):
    from components.training.resolve_sweep.example_pipelines import example_pipeline

    example_pipeline()
    assert len({path.read_text() for path in local_runner.rglob("generate-dataset*/dataset/dataset.json")}) == 2
