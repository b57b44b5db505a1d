"""A signal is heeded wherever a run is, and what resumes equals the run that nobody has stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import grokcore
from grokcore.data import Dataset
from grokcore.errors import StoppedError
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import load_spec
from grokcore.training import attempt
from grokcore.training.checkpoints import saving
from grokcore.training.trainer import Trainer
from tests.support.checks import PATIENCE, wait_until, without_clock

COMMAND = [sys.executable, "-m", "grokcore", "train", "smoke"]


def test_while_the_data_are_loaded_nothing_is_written(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_slowly(uri: Any, expected_id: str | None = None) -> Dataset:
        signal.raise_signal(signal.SIGTERM)
        return opened(uri, expected_id)

    opened = attempt.open_dataset
    monkeypatch.setattr(attempt, "open_dataset", open_slowly)
    with pytest.raises(StoppedError, match="before its first step"):
        grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_while_the_model_is_built_a_run_is_left_as_it_was(
    smoke_data: Path, smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return built(*arguments, **options)

    grokcore.train_model(load_spec("smoke", ["training.max_steps=20"]), smoke_data, tmp_path)
    built = attempt.drawn_model
    with monkeypatch.context() as patch:
        patch.setattr(attempt, "drawn_model", build)
        with pytest.raises(StoppedError):
            grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path)
    grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path)
    assert without_clock(tmp_path) == without_clock(smoke_run)


@pytest.mark.parametrize("at", [0, 20, 60])
def test_an_evaluation_is_abandoned_between_two_batches_and_made_again(
    at: int, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec("smoke", ["evaluation.batch_size=50"])
    grokcore.train_model(spec, smoke_data, tmp_path / "whole")
    batches = 0

    def count(*arguments: Any) -> None:
        nonlocal batches
        batches += 1
        if batches == 3:
            signal.raise_signal(signal.SIGTERM)

    evaluate = Trainer.evaluate

    def watched(trainer: Trainer, *arguments: Any) -> Any:
        if trainer.state.step != at:
            return evaluate(trainer, *arguments)
        with torch.nn.Module.register_forward_hook(trainer.model, count):
            return evaluate(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", watched)
        with pytest.raises(StoppedError, match=f"stopped at step {at}"):
            grokcore.train_model(spec, smoke_data, tmp_path / "parts")
    assert batches == 3
    assert read_manifest(tmp_path / "parts").exit_reason == "stopped"
    assert at not in [line["step"] for line in read_journal(tmp_path / "parts" / "metrics.jsonl")]
    grokcore.train_model(spec, smoke_data, tmp_path / "parts")
    assert without_clock(tmp_path / "parts") == without_clock(tmp_path / "whole")


def test_while_a_save_is_under_way_it_is_waited_for(
    smoke_data: Path, smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, save = threading.Event(), saving.save_checkpoint

    def slowly(*arguments: Any) -> Any:
        assert release.wait(PATIENCE)
        return save(*arguments)

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 40:  # the state of step 25 is still being saved
            signal.raise_signal(signal.SIGTERM)
            threading.Timer(0.2, release.set).start()

    with monkeypatch.context() as patch:
        patch.setattr(saving, "save_checkpoint", slowly)
        with pytest.raises(StoppedError, match="stopped at step 40"):
            grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path, on_evaluation=stop)
    said: list[str] = []
    grokcore.train_model(load_spec("smoke"), smoke_data, tmp_path, notify=said.append)
    assert said == ["resuming at step 40"]
    assert without_clock(tmp_path) == without_clock(smoke_run)


def test_a_command_that_still_loads_its_libraries_leaves_with_143(smoke_data: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--data", str(smoke_data), "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: "torch" in Path(f"/proc/{process.pid}/maps").read_text(), process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert stderr.splitlines()[-1].startswith("grokcore: stopped")
    assert "Traceback" not in stderr


@pytest.mark.extended
def test_training_that_is_asked_to_stops_with_its_parent(smoke_data: Path, tmp_path: Path) -> None:
    program = f"""
import grokcore
from grokcore.spec import load_spec
spec = load_spec("smoke", ["training.max_steps=1000000", "training.checkpoint_interval=null"])
grokcore.train_model(spec, {str(smoke_data)!r}, {str(tmp_path / "run")!r}, stop_with_parent=True)
"""
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stderr=subprocess.DEVNULL)
    journal = tmp_path / "run" / "metrics.jsonl"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 5, process)
    (child,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    process.kill()
    process.wait()
    try:
        wait_until(lambda: read_manifest(tmp_path / "run").exit_reason == "stopped")
    finally:
        if Path(f"/proc/{child}").exists():
            os.kill(child, signal.SIGKILL)
    assert list((tmp_path / "run" / "checkpoints").glob("step-*"))


ABORTS_IN_TEARDOWN = "import atexit, os, runpy, sys; atexit.register(os.abort); sys.argv = ['grokcore', {arguments}]; "


@pytest.mark.parametrize(("arguments", "code"), [("'presets'", 0), ("'spec', 'unknown'", 2)])
def test_a_process_of_a_group_ends_with_its_own_exit_code_whatever_aborts_in_the_teardown(
    arguments: str, code: int
) -> None:
    program = ABORTS_IN_TEARDOWN.format(arguments=arguments) + "runpy.run_module('grokcore', run_name='__main__')"

    def run(world_size: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "WORLD_SIZE": world_size}
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)

    ended = run("2")
    assert ended.returncode == code, ended.stderr
    assert ended.stdout or ended.stderr, "what it printed is flushed"
    assert run("1").returncode == -signal.SIGABRT, "a process alone runs the teardown"
