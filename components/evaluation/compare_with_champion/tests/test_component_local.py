from pathlib import Path

import pytest

from grokcore.champions import read_decision
from tests.evaluation.made_up import write
from tests.reporting.made_up_groups import run_of


@pytest.mark.extended
def test_the_example_judges_runs_of_an_earlier_pipeline(local_runner: Path, tmp_path: Path):
    from components.evaluation.compare_with_champion.example_pipelines import example_pipeline

    for seed in range(8):
        write(run_of(f"seed={seed}"), tmp_path / "evaluations" / f"seed-{seed}")
    store = tmp_path / "store"
    example_pipeline(evaluations_uri=str(tmp_path / "evaluations"), store=str(store))
    decision = read_decision(str(store / "retrainings" / "default" / "by-hand.json"))
    assert (decision.verdict, decision.promoted) == ("promote", None)
    assert decision.rules.minimum_seeds == 8
    (report,) = local_runner.rglob("compare-with-champion/report")
    assert "8 of its 8 seeds hold 0.97" in report.read_text()
    assert not (store / "champions").exists()
