from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.training.promote_champion import promote_champion
from grokcore.champions import Decision, History, read_decision
from tests.champions.test_champion import candidate, decided

promote = promote_champion.python_func


def call(place: Path, decision: Decision) -> Any:
    (place / "decision").write_text(decision.model_dump_json())
    return promote(dsl.Artifact(uri=str(place / "decision")), dsl.Markdown(uri=str(place / "report")))


def test_the_candidate_becomes_the_champion_once(s3_uri: str, tmp_path: Path):
    decision = decided(s3_uri, candidate("first"))
    for _ in range(2):
        assert call(tmp_path, decision) == ("promote", 1, f"{s3_uri}/champions/default.json")
    assert len(History(s3_uri, "default").entries()) == 1
    assert "version 1 of the champion" in (tmp_path / "report").read_text()


def test_a_champion_that_has_changed_since_is_run_against_anew(tmp_path: Path):
    store = str(tmp_path / "store")
    late = decided(store, candidate("late"))
    call(tmp_path, decided(store, candidate("early", 0.4)))
    assert call(tmp_path, late)[:2] == ("keep", 0)
    assert read_decision(late.uri).against == 1


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_what_is_no_decision_is_one_line_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
):
    (tmp_path / "decision").write_text(content)
    with pytest.raises(SystemExit) as exit_:
        promote(dsl.Artifact(uri=str(tmp_path / "decision")), dsl.Markdown(uri=str(tmp_path / "report")))
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
