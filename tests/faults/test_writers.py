"""Two writers on one run: one wins, and the other writes nothing; nor does one whose lease another has taken."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import grokcore
from grokcore.errors import TransientError
from grokcore.runs import lease, read_manifest
from grokcore.runs.lock import sole_writer
from grokcore.spec import load_spec
from grokcore.storage import Store, open_store
from tests.faults.conftest import Trial
from tests.faults.dying import in_child
from tests.support.checks import PATIENCE, wait_until

ROW = "two writers"
RACERS = 4


def race(store: Store, start: float, name: str, released: int) -> None:
    """Write as soon as this process is the only writer, and stay so until released; exit with 75 where it is not."""
    time.sleep(max(0.0, start - time.time()))
    try:
        with sole_writer(store) as writer:
            for number in range(3):
                writer.store.write(f"{name}/{number}", b"")
                time.sleep(0.02)
            select.select([released], [], [], 60)
    except TransientError as error:
        os._exit(75 if "is being written by" in str(error) else 1)


@pytest.mark.fault(ROW, 3)
def test_of_writers_that_begin_at_once_exactly_one_writes(
    trial: Trial, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    start, children = time.time() + 0.3, []
    released, release = os.pipe()
    for number in range(RACERS):
        child = os.fork()
        if child == 0:
            os._exit(in_child(lambda number=number: race(open_store(store_uri), start, f"racer-{number}", released)))
        children.append(child)
    ended: dict[int, int] = {}
    while len(ended) < RACERS:
        if len(ended) == RACERS - 1:  # however late the last of the others began, the winner was still there
            os.write(release, b"!")
        child, status = os.waitpid(-1, 0)
        ended[child] = os.waitstatus_to_exitcode(status)
    codes = [ended[child] for child in children]
    os.close(released)
    os.close(release)
    assert sorted(codes) == [0] + [75] * (RACERS - 1)
    winner = f"racer-{codes.index(0)}"
    written = {file.key for file in open_store(store_uri).files() if file.key.startswith("racer")}
    assert written == {f"{winner}/{number}" for number in range(3)}


@pytest.mark.fault(ROW, 3)
def test_a_writer_that_was_away_while_another_took_over_never_writes_again(
    trial: Trial, s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is suspended, as a virtual machine can be, in the middle of its work: of a request too, which goes through."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    store = open_store(s3_uri)
    child = os.fork()
    if child == 0:
        os._exit(in_child(lambda: write_until_refused(open_store(s3_uri))))
    wait_until(lambda: store.find("first/0") is not None)
    time.sleep(trial.random.uniform(0, 0.5))
    grandchild = int(Path(f"/proc/{child}/task/{child}/children").read_text().split()[0])
    os.kill(grandchild, signal.SIGSTOP)
    said: list[str] = []
    with sole_writer(store, notify=said.append) as writer:
        before = {file.key for file in store.files("first")}
        os.kill(grandchild, signal.SIGCONT)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 75
        writer.store.write("second", b"")
        assert len({file.key for file in store.files("first")} - before) <= 1
    assert "was last written by process" in said[0]


def write_until_refused(store: Store) -> None:
    with sole_writer(store) as writer:
        for number in range(1_000_000):
            try:
                writer.store.write(f"first/{number}", b"")
            except TransientError:
                os._exit(75)
            time.sleep(0.05)


def test_a_lease_is_renewed_for_as_long_as_it_is_held(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.8)
    with sole_writer(open_store(s3_uri)) as writer:
        time.sleep(2.0)
        writer.store.write("still", b"ours")
        with (
            pytest.raises(TransientError, match=f"is being written by process {os.getpid()}"),
            sole_writer(open_store(s3_uri)),
        ):
            pass
    with sole_writer(open_store(s3_uri), notify=lambda line: pytest.fail(line)):  # at once, since it was released
        pass


@pytest.mark.extended
@pytest.mark.fault(ROW, 1)
def test_two_commands_on_one_run(trial: Trial, smoke_data: Path, smoke_run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grokcore", "train", "smoke", "--data", str(smoke_data), "--out"]
    command += [str(tmp_path / "run"), "--set", "training.max_steps=300"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    results = {process.returncode: process.communicate()[1] for process in both if process.wait(timeout=PATIENCE) >= 0}
    assert sorted(results) == [0, 75]
    last = results[75].splitlines()[-1]
    assert last.startswith(f"grokcore: {tmp_path / 'run'} is being written by process ")
    assert "Traceback" not in results[75]
    assert read_manifest(tmp_path / "run").exit_reason == "budget_steps"
    spec = load_spec("smoke", ["training.max_steps=300"])
    said: list[str] = []
    assert grokcore.train_model(spec, smoke_data, tmp_path / "run", notify=said.append).step == 300
    assert said == ["resuming at step 300"]
