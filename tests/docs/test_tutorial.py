"""The tutorial works: its files, code and commands, in order, with trainings cut to a few steps."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokcore.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
SHORT = {
    "train": "--set training.max_steps=3 --set training.warmup_steps=0 --set model.width=16",
    "sweep": "--set training.max_steps=3 --set training.warmup_steps=0 --set model.width=16 --seeds 0 --jobs 1",
}
"""Options that are added to a command, so that it takes seconds."""
SLOW = {
    "grokcore doctor",  # tests/cli
    "grokcore run modular",  # tests/local: its pipeline takes 20 s on any task
    "grokcore sweep decay.yaml --out store --seeds 0..7",  # the sweep before it, with more seeds
}
REFUSED = {"grokcore train modular --set training.weight_decay=0.3 --data data --out other"}


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield the name that a block is to be saved under, if any, its language and its text."""
    page = PAGE.read_text("utf-8")
    for block in re.finditer(r"^```(\w+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        paragraph = page[: block.start()].rstrip().rpartition("\n\n")[2]
        named = re.search(r"[Ss]ave this as `([\w.]+)`", paragraph)
        yield (named[1] if named else ""), block[1], block[2]


def run(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    call, _, file = command.partition(">")
    words = shlex.split(call)[1:]
    capsys.readouterr()
    status = main(words + shlex.split(SHORT.get(words[0], "")))
    assert status == (2 if command in REFUSED else 0), command
    if file:
        Path(file.strip()).write_text(capsys.readouterr().out, "utf-8")


def test_the_tutorial_works_from_its_first_dataset_to_its_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = []
    for name, language, text in blocks():
        if name:
            Path(name).write_text(text, "utf-8")
        if language == "python":
            exec(compile(text, name or "tutorial", "exec"), {})  # noqa: S102 - the page's own code
        for line in text.splitlines() if language == "bash" else ():
            command = line.partition("#")[0].strip()
            if command.startswith("grokcore ") and command not in SLOW:
                run(command, capsys)
                done.append(command)

    assert set(done) > REFUSED
    assert len(done) > 12
    for left in ("report.html", "store/sweeps/decay/report.html", "comparison/report.html", "mountains/metrics.jsonl"):
        assert Path(left).stat().st_size > 0
