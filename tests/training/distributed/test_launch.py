"""Starting several processes as one program: real ones, which need neither torch nor a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grokcore.errors import EXIT_STOPPED, EXIT_TRANSIENT
from grokcore.training.distributed import launch as launching
from grokcore.training.distributed.launch import PARENT_VARIABLE, launch, worst
from grokcore.training.signals import StopRequest


def run(program: str, processes: int = 2, stop: StopRequest | None = None) -> tuple[int, list[str]]:
    told: list[str] = []
    code = launch([sys.executable, "-c", program], processes, stop=stop or StopRequest(), notify=told.append)
    return code, told


def test_each_process_knows_its_place_and_where_the_others_are(tmp_path: Path) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", PARENT_VARIABLE)
    write = f"open({str(tmp_path)!r} + '/' + os.environ['RANK'], 'w').write"
    program = f"import os; {write}(repr([os.environ[name] for name in {names}]))"
    assert run(program, 3) == (0, [])
    said = [(tmp_path / str(rank)).read_text() for rank in range(3)]
    ports = {text.split("'")[9] for text in said}
    assert len(ports) == 1
    for rank, text in enumerate(said):
        assert text.startswith(f"['{rank}', '{rank}', '3', '127.0.0.1', ")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0, 0), 0),
        ((0, 143), 143),
        ((75, 2), 2),
        ((75, 1), 1),
        ((-9, 75), 75),
        ((0, -11), 75),
        ((3, 0), 3),
        ((143, 75), 75),
    ],
)
def test_of_several_exit_codes_the_one_counts_that_says_what_to_do(codes: tuple[int, ...], expected: int) -> None:
    assert worst(codes) == expected


def test_where_one_fails_the_others_are_ended_and_its_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "_REPORT_SECONDS", 0.5)
    program = "import os, sys, time\nif os.environ['RANK'] == '1': sys.exit(2)\ntime.sleep(600)"
    code, told = run(program)
    assert code == 2
    assert told == ["process 0 of 2 was killed by SIGTERM; the same command goes on from the last checkpoint"]


def test_a_process_that_is_killed_is_named() -> None:
    code, (line,) = run("import os, signal\nif os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)")
    assert code == EXIT_TRANSIENT
    assert line.startswith("process 1 of 2 was killed by SIGKILL, perhaps out of memory;")


def test_a_wish_to_stop_reaches_every_process_once(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys, time
place = {str(tmp_path)!r} + "/" + os.environ["RANK"]
def stop(*_):
    open(place + ".stopped", "a").write("x")
    time.sleep(1)
    sys.exit({EXIT_STOPPED})
signal.signal(signal.SIGTERM, stop)
open(place, "w").close()
time.sleep(600)
"""
    stop = StopRequest()

    def ask() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        stop.requested = True

    threading.Thread(target=ask, daemon=True).start()
    assert run(program, stop=stop) == (EXIT_STOPPED, [])
    assert [(tmp_path / f"{rank}.stopped").read_text() for rank in range(2)] == ["x", "x"]


def test_no_process_outlives_the_one_that_started_it_by_an_error(tmp_path: Path) -> None:
    program = f"""
import sys
from grokcore.training.distributed import launch
from grokcore.training.signals import StopRequest
def fail(*_): raise RuntimeError("a bug")
launch._wait = fail
child = "import os, sys, time; open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w'); time.sleep(600)"
launch.launch([sys.executable, "-c", child], 2, stop=StopRequest(), notify=print)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "a bug" in done.stderr
    for path in tmp_path.iterdir():
        assert not Path(f"/proc/{path.name}").exists() or os.waitpid(int(path.name), os.WNOHANG)
