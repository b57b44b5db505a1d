"""SPEC on the command line: a name, a file, or a URI on any store."""

from __future__ import annotations

import argparse
import io
import shlex
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.cli.main import _take_standard_input
from grokcore.documents import parse_yaml
from grokcore.spec import load_spec, resolve
from grokcore.storage import open_store

INLINE = '{"name": "elsewhere", "training": {"max_steps": 7, "precision": "fp32", "engine": "native"}}'


def test_the_spec_of_a_run_is_taken_from_its_uri(
    store_uri: str, smoke_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_store(store_uri).write("run/spec.yaml", (smoke_run / "spec.yaml").read_bytes())
    assert main(["spec", f"{store_uri}/run/spec.yaml", "--set", "training.max_steps=9"]) == 0
    shown = capsys.readouterr().out
    assert f"# run_id: {load_spec('smoke').run_id}" in shown
    assert parse_yaml(shown, "it")["training"]["max_steps"] == 9


def test_a_spec_in_one_line_of_json_is_one_wherever_it_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec").write_text(INLINE)
    for source in (f"file://{tmp_path}/spec", INLINE):
        assert main(["spec", source]) == 0
        assert resolve(load_spec(INLINE)).run_id in capsys.readouterr().out


def test_a_uri_that_leads_nowhere_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, word in (("absent.yaml", "absent.yaml"), ("binary", "not a text file")):
        assert main(["spec", f"file://{tmp_path}/{name}"]) == 2
        error = capsys.readouterr().err
        assert word in error
        assert error.count("\n") == 1


class _Piped:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_a_dash_is_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", _Piped(INLINE.encode()))
    assert main(["spec", "-", "--set", "training.max_steps=9"]) == 0
    assert resolve(load_spec(INLINE)).run_id in capsys.readouterr().out
    sweep = "name: pair\nbase: smoke\naxes: [{kind: grid, field: model.layers, values: [1, 2]}]\nseeds: [0]"
    monkeypatch.setattr("sys.stdin", _Piped(sweep.encode()))
    assert main(["sweep", "-", "--dry-run"]) == 0
    assert "pair: 2 points" in capsys.readouterr().out
    for content, word in ((b"", "nothing on standard input"), (b"\xff\xfe", "standard input is not text")):
        monkeypatch.setattr("sys.stdin", _Piped(content))
        assert main(["spec", "-"]) == 2
        assert word in capsys.readouterr().err


def test_processes_of_one_training_get_what_came_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Piped(b"base: x\n\n"))
    arguments = ["train", "-", "--processes", "2", "--data", "-"]
    options = argparse.Namespace(spec="-", arguments=arguments)
    _take_standard_input(options)
    assert options.spec == "base: x\n"
    assert options.arguments == ["train", "base: x\n", "--processes", "2", "--data", "-"]


def test_run_names_the_commands_that_train_several_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "a b.yaml", "--set", "model.layers=2", "--seeds", "0..2"]) == 2
    error = capsys.readouterr().err
    assert "grokcore generate 'a b.yaml' --set model.layers=2 --out data" in error
    assert "--seeds 0..2" in error
    assert error.count("\n") == 1


def test_a_hint_can_be_pasted_whatever_the_place_is_called(
    smoke_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "my run's"
    place.mkdir()
    for name in ("manifest.json", "spec.yaml", "metrics.jsonl"):
        (place / name).write_bytes((smoke_run / name).read_bytes())
    assert main(["report", str(place), "--out", str(tmp_path / "report.html")]) == 2
    hint = capsys.readouterr().err.rpartition("with: ")[2]
    assert shlex.split(hint) == ["grokcore", "evaluate", str(place)]
