"""Every command that takes a URI takes one of object storage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import grokcore
from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.storage import open_store


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_the_stages_by_hand(s3_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, runs, page = f"{s3_uri}/data", f"{s3_uri}/runs", f"{s3_uri}/page.html"
    short = ["smoke", "--set", "training.max_steps=10"]
    assert main(["generate", "smoke", "--out", data]) == 0
    assert main(["train", *short, "--data", data, "--out", f"{runs}/one"]) == 0
    assert "budget_steps after 10 steps" in capsys.readouterr().out
    assert main(["report", f"{runs}/one", "--out", page]) == 2
    assert capsys.readouterr().err.startswith(f"grokcore: {runs}/one has no evaluation yet")
    assert main(["evaluate", f"{runs}/one"]) == 0
    assert "censored: not reached by step 10" in capsys.readouterr().out
    assert main(["report", f"{runs}/one", "--out", page]) == 0
    assert capsys.readouterr().out.strip() == page
    assert b"<html" in open_store(s3_uri).read("page.html")
    assert main(["watch", f"{runs}/one"]) == 0
    watched = capsys.readouterr().out.splitlines()
    assert watched[-1] == "budget_steps at step 10"
    assert len(watched) > 5
    assert main(["runs", "list", s3_uri]) == 0
    assert "runs/one" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}, "nothing but the cache is left on this machine"


@pytest.mark.extended
def test_seeds_by_hand(s3_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, runs = f"{s3_uri}/data", f"{s3_uri}/runs"
    short = ["smoke", "--set", "training.max_steps=10"]
    assert main(["generate", "smoke", "--out", data]) == 0
    assert main(["train", *short, "--seeds", "0..1", "--data", data, "--out", runs]) == 0
    assert f"next: grokcore evaluate {runs}/seed-{{0,1}}" in capsys.readouterr().out
    assert main(["evaluate", f"{runs}/seed-0", f"{runs}/seed-1"]) == 0
    assert "2 runs that differ only in their seed" in capsys.readouterr().out


@pytest.fixture
def run(s3_uri: str, smoke_run: Path) -> str:
    open_store(s3_uri).upload_directory(smoke_run, "run")
    return f"{s3_uri}/run"


def test_an_evaluation_there_equals_the_one_here(run: str, smoke_run: Path, tmp_path: Path) -> None:
    here = grokcore.evaluate_model(smoke_run, out=tmp_path / "here.json")
    open_store(run).delete("evaluation.json")
    assert grokcore.evaluate_model(run) == here
    assert open_store(run).read("evaluation.json") == (tmp_path / "here.json").read_bytes()


def test_a_model_and_an_evaluation_may_lie_elsewhere(run: str, smoke_run: Path, s3_uri: str) -> None:
    store = open_store(run)
    shutil.copytree(smoke_run / "model", "model")
    store.delete_all("model")
    with pytest.raises(InputError, match=f"{run} has no model yet"):
        grokcore.evaluate_model(run)
    grokcore.evaluate_model(run, model="model", out=f"{s3_uri}/elsewhere.json")
    assert open_store(s3_uri).find("elsewhere.json") is not None


@pytest.mark.parametrize("file", ["manifest.json", "spec.yaml", "metrics.jsonl", "evaluation.json"])
def test_damage_is_named_by_its_uri(run: str, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    open_store(run).write(file, b"[\x00\n")
    commands = {"report": ["report", run, "--out", "x.html"], "evaluate": ["evaluate", run]}
    for command in ("report", "evaluate") if file != "evaluation.json" else ("report",):
        assert main(commands[command]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert file.partition(".")[0] in error
        assert run in error
        assert "/tmp/" not in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "smoke", "--data", "{absent}", "--out", "run"],
        ["evaluate", "{absent}"],
        ["report", "{absent}", "--out", "x.html"],
        ["watch", "{absent}"],
        ["runs", "show", "{absent}"],
        ["runs", "delete", "{absent}", "--yes"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_what_is_not_there_is_one_line(arguments: list[str], s3_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([argument.format(absent=f"{s3_uri}/absent") for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{s3_uri}/absent" in error
