import json
from pathlib import Path

import pytest

from tests.champions.test_champion import candidate, decided


@pytest.mark.extended
def test_the_example_promotes_a_candidate_of_an_earlier_pipeline(local_runner: Path, tmp_path: Path):
    from components.training.promote_champion.example_pipelines import example_pipeline

    store = tmp_path / "store"
    decision = decided(str(store), candidate("first"))
    example_pipeline(decision_uri=decision.uri)
    assert json.loads((store / "champions" / "default.json").read_text())["version"] == 1
    (report,) = local_runner.rglob("promote-champion/report")
    assert "The candidate is version 1 of the champion." in report.read_text()
