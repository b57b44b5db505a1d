import json
import shutil
from pathlib import Path

import pytest

from components.conftest import SmallRun


@pytest.mark.extended
def test_the_example_analyzes_a_run_that_it_imports(local_runner: Path, small_run: SmallRun, tmp_path: Path):
    from components.evaluation.analyze_model.example_pipelines import example_pipeline

    run = Path(shutil.copytree(small_run.run, tmp_path / "run"))
    example_pipeline(
        run_uri=str(run),
        model_uri=str(small_run.run / "model"),
        dataset_uri=str(small_run.dataset),
        analyses="norms",
    )
    (analysis,) = local_runner.rglob("analyze-model/analysis")
    assert json.loads((analysis / "analysis.json").read_text())["analysis"]["analyses"] == ["norms"]
    assert (run / "analysis.json").read_bytes() == (analysis / "analysis.json").read_bytes()
