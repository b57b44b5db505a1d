from pathlib import Path

import pytest

from components.conftest import SmallRun


@pytest.mark.extended
def test_the_example_evaluates_a_run_that_it_imports(local_runner: Path, small_run: SmallRun):
    from components.evaluation.evaluate_model.example_pipelines import example_pipeline

    example_pipeline(
        run_uri=str(small_run.run), model_uri=str(small_run.run / "model"), dataset_uri=str(small_run.dataset)
    )
    (evaluation,) = local_runner.rglob("evaluate-model/evaluation")
    assert '"test_inferred_ood"' in evaluation.read_text()
