"""SPEC on the command line: a name, a file, or a URI on any store."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.cli import main
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
