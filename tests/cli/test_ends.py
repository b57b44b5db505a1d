"""Whatever ends a command, it ends in at most one line and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.runs.journal import decode
from grokcore.spec import load_spec, load_task
from grokcore.stage import stage
from grokcore.storage import temporary_directory
from grokcore.storage.s3 import S3Store
from grokcore.sweeps import load_sweep

FULL = Path("/dev/full")


def python(program: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], text=True, check=False, **options)  # type: ignore[call-overload]


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "command", ["--help", "pipeline submit --help", "presets", "spec smoke", "spec --schema", "generate smoke --out d"]
)
def test_a_full_disk_behind_stdout_is_one_line(command: str, tmp_path: Path) -> None:
    with FULL.open("w") as full:
        words = [sys.executable, "-m", "grokcore", *command.split()]
        done = subprocess.run(words, stdout=full, stderr=-1, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 75
    assert done.stderr == "grokcore: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_closed_output_is_no_traceback(closed: str) -> None:
    for command, code in (("presets", 0), ("spec nothing", 2)):
        done = subprocess.run(
            ["sh", "-c", f'"$1" -m grokcore {command} {closed}', "sh", sys.executable],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr + done.stdout


INTERRUPTED = """
import importlib.abc, sys
class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
sys.argv = ["grokcore", "presets"]
"""


@pytest.mark.parametrize("module", ["argparse", "grokcore.cli.parser", "grokcore.cli.describe", "pydantic", "yaml"])
def test_an_interrupt_while_the_command_line_loads_is_no_traceback(module: str) -> None:
    program = INTERRUPTED.format(module=module)
    done = python(f"{program}from grokcore.cli import main\nsys.exit(main())", capture_output=True)
    assert (done.returncode, done.stderr) == (143, "")


@pytest.mark.parametrize("module", ["grokcore.cli", "grokcore.cli.main", "grokcore.errors"])
def test_an_interrupt_while_python_loads_the_package_is_no_traceback(module: str) -> None:
    program = f'{INTERRUPTED.format(module=module)}import runpy\nrunpy.run_module("grokcore", run_name="__main__")'
    done = python(program, capture_output=True)
    assert (done.returncode, done.stderr) == (143, "")


def test_an_interrupted_stage_leaves_word_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left, stage("train", tmp_path):
        raise KeyboardInterrupt
    assert left.value.code == 143
    assert capsys.readouterr().err == "train: interrupted\n"
    assert '"kind": "stopped"' in (tmp_path / "error.json").read_text()


def test_no_place_for_temporary_files_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    for attempt in (temporary_directory, S3Store("s3://bucket/x").scratch):
        with (
            pytest.raises(InputError, match=r"a temporary directory \(see TMPDIR\): No such file or directory"),
            attempt(),
        ):
            pass

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/absent']")

    monkeypatch.setattr("tempfile.gettempdir", none)
    monkeypatch.setattr("tempfile._gettempdir", none)
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._get_default_tempdir", none)
    with pytest.raises(InputError, match="No usable temporary directory"), temporary_directory():
        pass
    assert main(["doctor"]) in (0, 1, 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 2**63),
        ("task.seed", 2**64),
        ("model.seed", 2**63),
        ("training.seed", 10**400),
        ("training.batch_size", 10**11),
        ("evaluation.batch_size", 10**20),
        ("training.threads", 10**12),
        ("model.mlp_width", 10**9),
        ("training.checkpoint_interval", 10**30),
    ],
)
def test_numbers_that_nothing_can_hold_are_refused_by_name(field: str, value: int) -> None:
    with pytest.raises(InputError, match=rf"{field}: ") as caught:
        load_spec("smoke", [f"{field}={value}"])
    assert len(str(caught.value)) < 200


def test_steps_that_nothing_can_hold_are_a_damaged_journal() -> None:
    line = b'{"step": 1%s, "train": {}, "splits": {}, "phases": {}, "clock": {}}\n'
    assert decode(line % b"", "journal")
    with pytest.raises(InputError, match="journal, line 1, is not an evaluation"):
        decode(line % (b"0" * 400), "journal")


def test_what_pipelines_would_fill_in_is_refused() -> None:
    for text in ('{"description": "{{$.inputs.parameters[0]}}"}', '{"name": "a{{$b"}'):
        with pytest.raises(InputError, match=r"must not hold \{\{\$"):
            load_spec(text)
    with pytest.raises(InputError, match=r"description: must not hold \{\{\$"):
        load_sweep('{"name": "a", "base": "smoke", "description": "{{$}}"}')
    assert load_spec('{"description": "{{a}} $"}').description == "{{a}} $"


def test_halves_of_characters_are_refused_wherever_they_come_from() -> None:
    for attempt in (
        lambda: load_spec('{"description": "\\ud83d"}'),
        lambda: load_spec("smoke", ["description=\udcff"]),
        lambda: load_spec({"description": "\ud83d"}),
        lambda: load_task('{"kind": "modular\\ud83d"}'),
    ):
        with pytest.raises(InputError):
            attempt()
    assert load_spec('{"description": "\\ud83d\\ude00"}').description == "\N{GRINNING FACE}"
    assert os.fsencode(load_spec("smoke", ["description=\N{GRINNING FACE}"]).description)
