"""SIGKILL at a random moment of a training: the resumed run equals the uninterrupted one, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import grokcore
from grokcore.runs import JOURNAL, lease, read_manifest
from grokcore.runs.checkpoints import FOLDER, TENSORS, files_by_step, read_checkpoint_manifest
from grokcore.spec import load_spec
from grokcore.storage import Store, open_store
from tests.faults.conftest import Trial
from tests.support.checks import without_clock

ROW = "SIGKILL at a random moment of a training run"

OVERRIDES = ["training.max_steps=240", "training.checkpoint_interval=15", "model.dropout=.1", "evaluation.interval=10"]

# The command, with a lease that is over soon after its holder was killed.
COMMAND = """
import sys
from grokcore.runs import lease
lease.LEASE_SECONDS = 1.0
from grokcore.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def whole(smoke_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The run that nobody has interrupted; read only."""
    run = tmp_path_factory.mktemp("kill") / "whole"
    grokcore.train_model(load_spec("smoke", OVERRIDES), smoke_data, run)
    return open_store(run)


@pytest.mark.fault(ROW, 2)
def test_of_a_training(
    trial: Trial, store_uri: str, whole: Store, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_store(store_uri)
    command = [sys.executable, "-c", COMMAND, "train", "smoke", "--data", str(smoke_data), "--out", store_uri]
    for override in OVERRIDES:
        command += ["--set", override]
    for _ in range(trial.random.choice((1, 1, 2))):
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
            try:
                wait_for_the_moment(trial, process, run)
            finally:
                process.kill()
        assert process.wait() in (-signal.SIGKILL, 0), (tmp_path / "said").read_text()

    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.0)
    grokcore.train_model(load_spec("smoke", OVERRIDES), smoke_data, store_uri)

    assert without_clock(run) == without_clock(whole)
    assert run.read("model/model.safetensors") == whole.read("model/model.safetensors")
    assert read_manifest(run).exit_reason == "budget_steps"
    ours, theirs = last_state(run, tmp_path / "ours"), last_state(whole, tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert run.leftovers() == []


def wait_for_the_moment(trial: Trial, process: subprocess.Popen[bytes], run: Store) -> None:
    """In one of four cases while it starts, else when it has made a random number of evaluations."""
    if trial.random.random() < 0.25:
        time.sleep(trial.random.uniform(0, 4))
        return
    lines = trial.random.randrange(30)
    while process.poll() is None and not has_come_so_far(run, lines):
        time.sleep(0.01)
    time.sleep(trial.random.uniform(0, 0.3))


def has_come_so_far(run: Store, lines: int) -> bool:
    if run.directory is None:  # its journal is put every few seconds only
        return run.find(f"{FOLDER}/latest") is not None
    return run.find(JOURNAL) is not None and run.read(JOURNAL).count(b"\n") > lines


def last_state(run: Store, target: Path) -> dict[str, torch.Tensor]:
    store = run.child(FOLDER)
    manifest = read_checkpoint_manifest(store, max(files_by_step(store)))
    assert manifest.step == 240
    os.makedirs(target)
    store.download(manifest.key_of(TENSORS), target / TENSORS)
    return load_file(target / TENSORS)
