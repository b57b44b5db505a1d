"""torchrun hands on what its processes end with, so that what started it can tell which failures to try again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checks import PATIENCE, wait_until
from tests.support.extended import extended

SCRIPT = """
import os, signal, sys, time

rank, folder = int(os.environ["RANK"]), sys.argv[1]
if sys.argv[2] == "wait":
    def save(*_):
        time.sleep(1)
        open(os.path.join(folder, f"saved-{rank}"), "w").close()
        sys.exit(143)
    signal.signal(signal.SIGTERM, save)
    open(os.path.join(folder, f"ready-{rank}"), "w").close()
    time.sleep(60)
code = int(sys.argv[2 + rank])
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Two processes, each told by its rank."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    command = [
        sys.executable,
        "-m",
        "grokcore.training.distributed.torchrun",
        "--nproc-per-node",
        "2",
        "--master-port",
        "0",
    ]
    return subprocess.Popen(
        [*command, str(script), str(folder), *arguments],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "20"},
    )


@pytest.mark.parametrize(
    ("codes", "wanted", "said"),
    [
        extended(("0", "0"), 0, ""),
        extended(("2", "2"), 2, "exit code 2"),
        (("0", "75"), 75, "process 1 ended with exit code 75"),
        extended(("0", "-9"), 75, "process 1 ended with SIGKILL"),
    ],
)
def test_its_exit_code_is_that_of_its_processes(tmp_path: Path, codes: tuple[str, str], wanted: int, said: str) -> None:
    running = start(tmp_path, *codes)
    _, errors = running.communicate(timeout=PATIENCE)
    assert running.returncode == wanted, errors
    assert said in errors
    assert "Traceback" not in errors


def test_a_signal_is_handed_on_and_awaited(tmp_path: Path) -> None:
    running = start(tmp_path, "wait")
    try:
        wait_until(lambda: len(list(tmp_path.glob("ready-*"))) == 2, running)
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 143
    assert {path.name for path in tmp_path.glob("saved-*")} == {"saved-0", "saved-1"}
    assert "Traceback" not in errors


@pytest.mark.extended
def test_nodes_that_do_not_find_each_other_are_worth_another_attempt(tmp_path: Path) -> None:
    """The second of two nodes, whose first never comes."""
    command = [sys.executable, "-m", "grokcore.training.distributed.torchrun", "--nnodes", "2", "--node-rank", "1"]
    command += [
        "--master-addr",
        "127.0.0.1",
        "--master-port",
        "1",
        "--rdzv-conf",
        "timeout=2",
        str(tmp_path / "none.py"),
    ]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == 75, done.stderr
    assert "did not find each other" in done.stderr
    assert "Traceback" not in done.stderr
