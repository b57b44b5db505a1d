from pathlib import Path

import pytest


@pytest.mark.extended
def test_the_example_runs_on_the_local_runner(local_runner: Path):
    from components.evaluation.evaluate_runs.example_pipelines import example_pipeline

    example_pipeline(seeds="1")
    (evaluations,) = local_runner.rglob("evaluate-runs/evaluations")
    assert {path.name for path in evaluations.iterdir()} == {"seed-1"}
    assert '"test_inferred_ood"' in (evaluations / "seed-1" / "evaluation.json").read_text()
