from pathlib import Path

import pytest

from components.training.resolve_experiment import resolve_experiment
from grokcore.spec import load_spec


@pytest.mark.usefixtures("local_runner")
def test_runs_on_the_local_runner():
    outputs = resolve_experiment(preset="smoke", seed=2).outputs
    assert outputs["run_id"] == load_spec("smoke", ["seed=2"]).run_id


def test_the_example_runs(local_runner: Path):
    from components.training.resolve_experiment.example_pipelines import example_pipeline

    example_pipeline()
    assert list(local_runner.rglob("executor_output.json"))
