"""A retraining as a pipeline on Kubeflow's local runner: the first candidate is promoted, a worse one is not."""

import json
from pathlib import Path

import pytest

from grokcore.champions import History, read_decision
from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.local import LocalPipeline

FORM = {
    "preset": "smoke",
    "overrides": "model.width=16 training.max_steps=40 evaluation.threshold=0.05",
    "seeds": "0..4",
    "champion": "nightly",
    "gpu_count": "0",
}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def retrain(store: Path, key: str, overrides: str = "", **changes: object) -> str:
    """Output of the pipeline."""
    arguments = {
        **FORM,
        "overrides": f"{FORM['overrides']} {overrides}",
        "store": str(store),
        "run_key": key,
        **changes,
    }
    pipeline = LocalPipeline("scheduled_retraining", arguments, store / "pipelines" / key)
    pipeline.start()
    pipeline.wait()
    return pipeline.log.read_text()


@pytest.mark.extended
def test_the_first_candidate_becomes_the_champion_and_a_worse_one_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    log = retrain(tmp_path, "first")
    assert "promote-champion" in log
    pointer = json.loads((tmp_path / "champions" / "nightly.json").read_text())
    assert pointer["version"] == 1
    assert [Path(run).parent.name for run in pointer["runs"]] == pointer["run_ids"]
    assert all((Path(run) / "evaluation.json").is_file() for run in pointer["runs"])
    assert pointer["decision"] == str(tmp_path / "retrainings" / "nightly" / "first.json")
    assert read_decision(pointer["decision"]).promoted == 1

    log = retrain(tmp_path, "second", "training.learning_rate=1e-9")
    assert "promote-champion" not in log
    decision = read_decision(str(tmp_path / "retrainings" / "nightly" / "second.json"))
    assert (decision.verdict, decision.against) == ("keep", 1)
    assert "saves -" in decision.sentence
    assert len(History(str(tmp_path), "nightly").entries()) == 1

    assert main(["champion", "verdict", decision.uri, "--fail-on", "inconclusive"]) == 0
    assert "Version 1 stays the champion." in capsys.readouterr().out
    assert main(["champion", "verdict", decision.uri, "--fail-on", "keep,inconclusive"]) == 1


def test_a_form_that_could_never_promote_is_one_line_before_anything_is_made(tmp_path: Path):
    with pytest.raises(InputError, match="minimum_seeds"):
        retrain(tmp_path, "first", seeds="0..3")
    assert not (tmp_path / "runs").exists()
