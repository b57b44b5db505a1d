"""`grokcore champion` as people and CI jobs call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grokcore.champions import read_decision, write_decision
from grokcore.cli import main
from grokcore.storage import open_store
from tests.champions.test_champion import candidate, decided, promoted, three_champions


@pytest.fixture
def store(tmp_path: Path) -> str:
    three_champions(str(tmp_path / "store"))
    return str(tmp_path / "store")


def test_show_says_who_and_why(store_uri: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    promoted(store_uri, candidate("first"))
    assert main(["champion", "show", "default", "--store", store_uri]) == 0
    out = capsys.readouterr().out
    assert "default, version 1, first champion" in out
    assert "5 of 5 seeds hold 0.99" in out
    assert f"{store_uri}/runs/first-4/first" in out
    monkeypatch.setenv("GROKCORE_STORE", store_uri)
    assert main(["champion", "show", "default", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1


def test_show_tells_when_the_pointer_is_behind(store: str, capsys: pytest.CaptureFixture[str]):
    entry = open_store(store).read("champions/default/000002.json")
    open_store(store).write("champions/default.json", entry)
    assert main(["champion", "show", "default", "--store", store]) == 0
    out, error = capsys.readouterr()
    assert "version 3" in out
    assert "is out of date: the champion is version 3" in error


def test_history_is_a_line_for_each_version(store: str, capsys: pytest.CaptureFixture[str]):
    assert main(["champion", "history", "default", "--store", store]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "promoted over version 2" in lines[3]
    assert main(["champion", "history", "default", "--store", store, "--json"]) == 0
    assert [entry["version"] for entry in json.loads(capsys.readouterr().out)] == [1, 2, 3]


def test_rollback_asks_and_then_says_what_it_did(
    store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    rollback = ["champion", "rollback", "default", "--store", store]
    assert main(rollback) == 2
    assert "replace champion default version 3 with version 2? Confirm with --yes" in capsys.readouterr().err
    monkeypatch.setattr("grokcore.cli.champion.confirmed", lambda question: False)
    assert main(rollback) == 0
    assert "nothing was changed" in capsys.readouterr().err
    assert main([*rollback, "--yes"]) == 0
    assert "version 4, rollback to version 2" in capsys.readouterr().out
    assert main([*rollback, "--to", "3", "--yes"]) == 0
    assert "version 5, rollback to version 3" in capsys.readouterr().out
    assert main([*rollback, "--to", "7", "--yes"]) == 2
    assert "it has 1 to 5" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["show", "history", "rollback"])
def test_no_such_champion_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str):
    assert main(["champion", action, "nobody", "--store", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"grokcore: there is no champion nobody in {tmp_path}\n"
    assert main(["champion", action, "../nobody", "--store", str(tmp_path)]) == 2


def test_no_store_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GROKCORE_STORE", raising=False)
    assert main(["champion", "show", "default"]) == 2
    assert "GROKCORE_STORE" in capsys.readouterr().err


def test_the_verdict_is_markdown_for_a_job_and_decides_its_exit_code(
    store_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    promoted(store_uri, candidate("first"))
    worse = promoted(store_uri, candidate("worse", 2))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    assert main(["champion", "verdict", worse.uri, "--summary", str(summary)]) == 0
    out = capsys.readouterr().out
    assert summary.read_text() == f"before\n{out}"
    assert "## Champion `default`: keep" in out
    assert "Version 1 stays the champion." in out
    table = [line for line in out.splitlines() if line.startswith("| median")]
    assert len(table) == 2
    assert all(line.count("|") == 8 for line in table)
    assert main(["champion", "verdict", worse.uri, "--fail-on", "keep, inconclusive"]) == 1
    assert "the verdict is keep, which --fail-on lists" in capsys.readouterr().err
    assert main(["champion", "verdict", worse.uri, "--fail-on", "promote"]) == 0
    assert main(["champion", "verdict", worse.uri, "--fail-on", "lost"]) == 2
    assert main(["champion", "verdict", f"{store_uri}/retrainings/default/none.json"]) == 2


def test_a_promotion_that_was_not_carried_out_fails_whatever_was_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    decision = decided(str(tmp_path), candidate("first"))
    assert main(["champion", "verdict", decision.uri]) == 1
    assert "the promotion is missing" in capsys.readouterr().err


def test_what_a_spec_is_called_cannot_break_the_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    decision = promoted(str(tmp_path), candidate("first"))
    named = decision.model_copy(update={"sentence": "<script>*_", "runs": ("s3://a|b`c", *decision.runs[1:])})
    write_decision(named)
    assert read_decision(decision.uri) == named
    assert main(["champion", "verdict", decision.uri]) == 0
    out = capsys.readouterr().out
    assert "<script>" not in out
    assert "s3://a|b`c" not in out


def test_the_files_have_schemas(capsys: pytest.CaptureFixture[str]):
    for name in ("champion", "retraining"):
        assert main(["spec", "--schema", name]) == 0
        assert "properties" in json.loads(capsys.readouterr().out)
