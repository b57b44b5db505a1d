"""SIGKILL at any moment of a run's start: the same command goes on; whoever comes while it starts is told to wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import grokcore
from grokcore.errors import InputError, TransientError
from grokcore.runs import JOURNAL, MANIFEST
from grokcore.runs.lock import sole_writer
from grokcore.runs.resume import Resume, check_place
from grokcore.runs.seal import SPEC
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import open_store
from tests.faults.starting import OVERRIDES
from tests.support.checks import wait_until

ROW = "SIGKILL at any operation of a run's start"


@pytest.fixture
def spec() -> ExperimentSpec:
    return load_spec("smoke", OVERRIDES)


@pytest.mark.extended
@pytest.mark.timeout(1800)  # with a stride of 1
@pytest.mark.fault(ROW, 1)
def test_the_same_command_goes_on_after_a_kill_at_any_operation(
    smoke_data: Path, stride: int, store_uri: str, record_property: Callable[[str, object], None]
) -> None:
    command = [sys.executable, "-m", "tests.faults.starting", store_uri, str(smoke_data), str(stride)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=1700)
    tried = int(done.stdout.splitlines()[-1])
    record_property("tries", tried)
    assert tried > 30 // stride


@pytest.mark.fault(ROW, 1)
def test_while_kernels_are_compiled_no_place_is_taken(spec: ExperimentSpec, smoke_data: Path, tmp_path: Path) -> None:
    compiler, begun = tmp_path / "cc", tmp_path / "begun"
    compiler.write_text(f"#!/bin/sh\ntouch {begun}\nexec sleep 100\n")
    compiler.chmod(0o755)
    run = tmp_path / "run"
    command = [sys.executable, "-m", "grokcore", "train", "smoke", "--data", str(smoke_data), "--out", str(run)]
    command += [part for override in OVERRIDES for part in ("--set", override)]
    cold = {**os.environ, "CC": str(compiler), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    cold.pop("GROKCORE_KERNELS", None)
    process = subprocess.Popen(command, env=cold, start_new_session=True)
    try:
        wait_until(begun.exists, process)  # or else it trained without compiling
        assert not run.exists()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert grokcore.train_model(spec, smoke_data, run).exit_reason == "budget_steps"


@pytest.mark.parametrize("resume", ["auto", "never", "require"])
def test_whoever_comes_while_a_run_starts_is_told_to_wait_and_not_to_remove_it(
    resume: Resume, spec: ExperimentSpec, store_uri: str
) -> None:
    store = open_store(store_uri)
    with sole_writer(store) as writer:
        writer.store.write("something", b"that is no run yet")
        with pytest.raises(TransientError, match=r"is being written by .*: wait until it has ended"):
            check_place(open_store(store_uri), spec, resume)


def test_whoever_must_not_resume_is_not_told_to_remove_a_run_that_is_being_written(
    spec: ExperimentSpec, smoke_run: Path, store_uri: str
) -> None:
    store = open_store(store_uri)
    store.write(MANIFEST, (smoke_run / MANIFEST).read_bytes())
    with sole_writer(store), pytest.raises(TransientError, match="wait until it has ended"):
        check_place(open_store(store_uri), spec, "never")


def test_what_older_versions_left_when_they_were_killed_at_their_start_is_no_obstacle(
    spec: ExperimentSpec, smoke_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / JOURNAL).write_bytes(b"")
    (run / ".lock").write_bytes(b"process 1 on a machine")
    (run / ".scratch.abc.tmp").mkdir()
    assert grokcore.train_model(spec, smoke_data, run).step == 2


def test_the_rest_of_somebody_elses_run_is_an_obstacle(spec: ExperimentSpec, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"{}\n")
    (tmp_path / SPEC).write_bytes(b"")
    with pytest.raises(InputError, match="is not a run"):
        check_place(open_store(tmp_path), spec, "auto")
