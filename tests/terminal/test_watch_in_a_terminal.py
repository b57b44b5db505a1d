"""What a person sees of `grokcore watch` and `grokcore train` in a real terminal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from grokcore.runs import Journal, read_manifest
from grokcore.storage import FileStore
from tests.servers.pseudo_terminal import PseudoTerminal, grokcore
from tests.terminal.runs import grokking, write


def append(run: FileStore, path: Path, steps: range) -> None:
    journal = Journal(run, path.read_bytes())
    for entry in grokking():
        if entry["step"] in steps:
            journal.append(entry)
    journal.close()


def test_a_live_run_is_drawn_in_its_place_through_changes_of_the_window(tmp_path: Path) -> None:
    run, journal = write(tmp_path, grokking(300)), tmp_path / "metrics.jsonl"
    with PseudoTerminal(grokcore("watch", str(tmp_path)), columns=80, lines=24) as terminal:
        terminal.wait(lambda shown: any("300/4,000" in text for text in shown))
        assert "memorized at 200" in "\n".join(terminal.screen.shown)
        append(run, journal, range(301, 1901))
        shown = terminal.wait(lambda shown: any("1,900/4,000" in text for text in shown))
        assert sum("1,900/4,000" in text for text in shown) == 1
        assert shown[0] == "* test_inferred_ood: generalization sets in at step 800"
        terminal.resize(40, 30)
        terminal.wait(lambda shown: "gpt2 on comparison · seed 0" in shown)  # which has moved to a line of its own
        terminal.resize(120, 30)
        shown = terminal.wait(lambda shown: any(len(text) > 100 and "smoke" in text for text in shown))
        assert sum("step " in text and "1,900/4,000" in text for text in shown) == 1
        append(run, journal, range(1901, 4001))
        manifest = read_manifest(run)
        manifest.exit_reason = "budget_steps"
        manifest.write(run)
        shown = terminal.end()
        assert terminal.process.returncode == 0
    text = "\n".join(shown)
    assert "ended: budget_steps" in text
    assert "grokked at 2,000" in text
    assert text.rstrip().endswith("budget_steps at step 4000")
    assert not [text for text in terminal.screen.scrolled if "4,000" in text]


def test_ctrl_c_leaves_the_last_view(tmp_path: Path) -> None:
    write(tmp_path, grokking(1900))
    with PseudoTerminal(grokcore("watch", str(tmp_path))) as terminal:
        terminal.wait(lambda shown: any("1,900/4,000" in text for text in shown))
        terminal.interrupt()
        shown = terminal.end()
        assert terminal.process.returncode == 143
    assert any("1,900/4,000" in text for text in shown)
    assert "Traceback" not in terminal.screen.raw


@pytest.mark.parametrize(
    ("environment", "colors", "drawn"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
)
def test_a_terminal_gets_what_it_can_show(
    tmp_path: Path, environment: dict[str, str], colors: bool, drawn: bool
) -> None:
    write(tmp_path, grokking(), exit_reason="budget_steps")
    with PseudoTerminal(grokcore("watch", str(tmp_path)), environment=environment) as terminal:
        terminal.end()
    assert ("\x1b[32m" in terminal.screen.raw) is colors
    assert ("\x1b" in terminal.screen.raw) is drawn


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    write(tmp_path, grokking(), exit_reason="budget_steps")
    environment = {"PYTHONIOENCODING": "ascii"}
    with PseudoTerminal(grokcore("watch", str(tmp_path)), environment=environment) as terminal:
        shown = terminal.end()
    assert terminal.process.returncode == 0
    assert terminal.screen.raw.isascii()
    assert any("####" in text for text in shown)


def test_several_runs_are_a_table_that_is_drawn_in_its_place(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path / str(seed), grokking(), f"seed={seed}", exit_reason="budget_steps")
    with PseudoTerminal(grokcore("watch", str(tmp_path)), columns=60) as terminal:
        shown = [text for text in terminal.end() if text]
    assert shown[0] == "3 runs: 3 ended"
    assert [text[:13] for text in shown[1:]] == [f"smoke, seed {seed}" for seed in range(3)]


def test_a_reader_that_leaves_early_ends_the_watch(tmp_path: Path) -> None:
    write(tmp_path, grokking(), exit_reason="budget_steps")
    command = " ".join(grokcore("watch", str(tmp_path))) + " | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith("step    0/4000")
    assert done.stderr == ""


def test_training_shows_the_same_view(smoke_data: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    with PseudoTerminal(grokcore("train", "smoke", "--data", str(smoke_data), "--out", run), lines=40) as terminal:
        shown = terminal.end()
        assert terminal.process.returncode == 0
    text = "\n".join(shown)
    assert "smoke · gpt2 on comparison · seed 0" in text
    assert "ended: budget_steps" in text
    assert "step 60/60" in text
    assert "".join(shown).endswith(f"next: grokcore evaluate {run}")  # a long path fills several lines
