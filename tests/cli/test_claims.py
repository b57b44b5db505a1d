"""`grokcore claims` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grokcore.claims import LEDGER, Claims
from grokcore.cli import main
from tests.claims.truths import GPT2, LLAMA, RWKV, against, group
from tests.evaluation.made_up import write


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three architectures, as a sweep leaves them; read only."""
    place = tmp_path_factory.mktemp("store")
    for number, run in enumerate([*against(GPT2, LLAMA, (100, 300)), *group(RWKV, at=None, steps=200)]):
        write(run, place / "runs" / str(number) / "local")
    return place


def test_the_ledger_is_printed_without_any_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--list"]) == 0
    shown = capsys.readouterr().out
    for claim in LEDGER:
        assert claim.id in shown
        assert claim.hash in shown
    assert main(["claims", "--list", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["hash"] for entry in entries] == [claim.hash for claim in LEDGER]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_verdicts_fit_the_window_and_say_what_is_missing(
    columns: int, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["claims", str(store)]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= max(columns, 60)
    text = " ".join(shown.split())
    assert "holds here llama-groks-later" in text
    assert "LLaMA against GPT-2: 3" in text
    assert "underpowered rwkv-does-not-grok" in text
    assert "needs a budget of" in text
    assert "not tested, for lack of runs to compare: claims" in text
    assert "not the published conditions: evaluation.threshold" not in text
    assert "task.entities 40 (published 1000)" in text
    assert "threshold 0.99, comparison with" in text
    assert "15 runs: 2 holds here, 1 does not hold here, 2 underpowered, 27 not tested" in text


def test_json_goes_by_the_schema_and_to_a_file(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", str(store), "--json", "--out", str(tmp_path / "claims.json")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "claims.json").read_text())
    result = Claims.model_validate(printed)
    assert (result.runs, len(result.claims)) == (15, len(LEDGER))
    assert main(["spec", "--schema", "claims"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Claims"


def test_runs_that_are_not_evaluated_are_named_or_left_out(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(group(GPT2, at=100, seeds=1, first_seed=50)[0], tmp_path / "new")
    (run / "evaluation.json").unlink()
    assert main(["claims", str(store), str(run)]) == 2
    assert f"grokcore evaluate {run}" in capsys.readouterr().err
    assert main(["claims", str(store), str(run), "--skip-unfinished"]) == 0
    output = capsys.readouterr()
    assert output.err.startswith("grokcore: left out")
    assert "15 runs" in output.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name runs"),
        (["absent"], "is not a run: it has no manifest.json, and there is no run below it"),
        (["--list", "somewhere"], "reads no runs"),
        (["ftp://host/runs"], "ftp:// is not supported"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["claims", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("grokcore: ")
    assert said in error
    assert len(error.splitlines()) == 1
