"""Groups of processes that are killed, stopped, resumed in other numbers, or started with what cannot be trained."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grokcore.errors import EXIT_BAD_INPUT, EXIT_STOPPED, EXIT_TRANSIENT
from grokcore.runs import read_journal, read_manifest
from grokcore.storage import open_store
from grokcore.training.checkpoints.checkpoint import load_checkpoint
from tests.support.checks import PATIENCE, wait_until
from tests.training.deepspeed.conftest import DEEPSPEED, Group, outcomes_of, start_together, train_together

pytestmark = pytest.mark.extended

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(smoke_data: Path) -> Iterator[Start]:
    """Starts `grokcore train smoke`, in a session of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(out: Path, *options: str, data: Path = smoke_data, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        overrides = [part for text in DEEPSPEED for part in ("--set", text)]
        command = [sys.executable, *(launcher or ("-m", "grokcore")), "train", "smoke", *overrides, *options]
        process = subprocess.Popen(
            [*command, "--data", str(data), "--out", str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def has_checkpoint_of(run: Path, step: int) -> Callable[[], bool]:
    return lambda: any(
        int(path.parent.name.removeprefix("step-")) >= step for path in run.glob("checkpoints/step-*/manifest.json")
    )


def leader_of(run: Path) -> int:
    """The process that writes the run, from its lock."""
    found = re.match(r"process (\d+) ", (run / ".lock").read_text())
    assert found
    return int(found[1])


LONG = ("--set", "training.max_steps=100000")


def test_a_group_that_was_killed_is_resumed_by_one_process_to_the_curve_of_an_uninterrupted_run(
    start: Start, two: Group, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # Divided by ZeRO, so that what one process goes on with was in two places.
    stage = ("--set", "training.zero_stage=2")
    killed = start(run, *LONG, *stage, "--processes", "2", "--set", "training.checkpoint_interval=5")
    wait_until(has_checkpoint_of(run, 5), killed)
    os.kill(leader_of(run), signal.SIGKILL)
    _, told = killed.communicate(timeout=PATIENCE)
    assert killed.returncode == EXIT_TRANSIENT
    assert "was killed by SIGKILL" in told
    assert "Traceback" not in told

    # It may have come far: the next goes on from a checkpoint before step 20, as after a loss of the later ones.
    for path in run.glob("checkpoints/step-*/manifest.json"):
        if int(path.parent.name.removeprefix("step-")) > 15:
            path.unlink()
    checkpoint, _ = load_checkpoint(open_store(run / "checkpoints"), read_manifest(run).run_id)
    assert checkpoint is not None
    assert {"random.cpu", "random.cpu.1"} <= set(checkpoint.tensors)
    resumed = start(run, *stage, "--processes", "1", "--resume", "require")
    out, told = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == 0, told
    assert f"resuming at step {checkpoint.step}" in told
    assert "budget_steps after 20 steps" in out

    lines, uninterrupted = read_journal(run / "metrics.jsonl"), two.lines("fp32, ZeRO 2")
    assert [line["step"] for line in lines] == [line["step"] for line in uninterrupted]
    for mine, other in zip(lines, uninterrupted, strict=True):  # measured: 2e-8
        assert mine["train"]["loss"] == pytest.approx(other["train"]["loss"], rel=1e-6)
        assert mine["weight_norm"] == pytest.approx(other["weight_norm"], rel=1e-6)
    assert read_manifest(run).resumes == 1
    assert read_manifest(run).hardware["processes"] == 1


@pytest.mark.parametrize("command", ["START", "STEP", "NORM", "COLLECT", "CONSOLIDATE"])
def test_whatever_the_others_do_when_the_leader_goes_they_say_that_it_has_gone(
    command: str, tmp_path: Path, smoke_data: Path
) -> None:
    overrides = [*DEEPSPEED, "training.zero_stage=2"]
    training = {"data": str(smoke_data), "overrides": overrides}
    code, [told] = start_together(tmp_path, {"lost": training}, 2, lost_at=command)
    assert code == EXIT_TRANSIENT
    assert "process 0 of 2 was killed by SIGKILL" in told
    assert outcomes_of(tmp_path, 1)["lost"] == {
        "error": "TransientError",
        "message": "another process of this training has gone: the same command goes on from the last checkpoint",
        "said": False,
        "remarks": [],
    }


def test_a_signal_to_any_process_of_torchrun_stops_all_after_saving(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "grokcore")
    training = start(run, *LONG, launcher=torchrun)
    wait_until(has_checkpoint_of(run, 10), training)
    leader = leader_of(run)
    (other,) = (pid for pid in children_of(parent_of(leader)) if pid != leader)
    os.kill(other, signal.SIGTERM)
    _, told = training.communicate(timeout=PATIENCE)
    assert read_manifest(run).exit_reason == "stopped"
    codes = re.findall(r"exitcode\s*: (\d+)", told)
    assert set(codes) == {str(EXIT_STOPPED)}, told
    assert told.count("the same command goes on from there") == 1
    step = max(int(path.parent.name.removeprefix("step-")) for path in run.glob("checkpoints/step-*/manifest.json"))
    assert f"stopped at step {step};" in told


def test_sigterm_to_the_one_that_started_them_stops_all_with_its_own_exit_code(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    training = start(run, *LONG, "--processes", "2")
    wait_until(has_checkpoint_of(run, 10), training)
    training.send_signal(signal.SIGTERM)
    _, told = training.communicate(timeout=PATIENCE)
    assert training.returncode == EXIT_STOPPED
    assert told.count("the same command goes on from there") == 1
    assert read_manifest(run).exit_reason == "stopped"


def test_what_the_leader_refuses_ends_all_with_one_line(start: Start, tmp_path: Path, smoke_run: Path) -> None:
    training = start(smoke_run, "--processes", "2")  # another run lies there
    _, told = training.communicate(timeout=PATIENCE)
    assert training.returncode == EXIT_BAD_INPUT
    assert told.count("holds another run") == 1
    assert "Traceback" not in told


def test_what_another_process_cannot_read_is_said_by_all(tmp_path: Path, smoke_data: Path) -> None:
    group = train_together(
        tmp_path,
        {
            "absent": {"data": [str(smoke_data), str(tmp_path / "nowhere")], "overrides": DEEPSPEED},
            "after": {"data": str(smoke_data), "overrides": [*DEEPSPEED, "training.max_steps=2"]},
        },
        2,
    )
    leader, other = (outcome["absent"] for outcome in group.outcomes)
    assert leader["error"] == other["error"] == "InputError"
    assert leader["message"].startswith("process 1: ")
    assert (leader["said"], other["said"]) == (False, True)
    assert not (tmp_path / "absent" / "manifest.json").exists()
    assert all(outcome["after"]["step"] == 2 for outcome in group.outcomes)  # they understand each other still


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def children_of(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_checkpoints_hold_no_pickles(two: Group) -> None:
    names = {path.name for path in two.out.rglob("checkpoints/*/*/*")}
    assert names == {"state.safetensors", "state.json", "metrics.jsonl"}
    assert json.loads(next(two.out.rglob("state.json")).read_text())["restarts"] == 0
