"""What the machine or the store does is told in one line with exit code 75, and costs no more than it must."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from botocore.exceptions import ClientError, NoCredentialsError

import grokcore
from grokcore.cli import main
from grokcore.errors import (
    AbsentError,
    DamagedError,
    DeniedError,
    GrokcoreError,
    InputError,
    TransientError,
    error_of_the_machine,
)
from grokcore.runs import JOURNAL, read_journal
from grokcore.runs.checkpoints import files_by_step, manifest_key
from grokcore.spec import load_spec
from grokcore.stage import ERROR_FILE, RETRY_VARIABLE, stage
from grokcore.storage import FileStore, clear_errors, write_atomically
from grokcore.storage.s3_errors import is_denied, one_line
from grokcore.training.checkpoints.checkpoint import load_checkpoint
from grokcore.training.checkpoints.retention import Retention
from grokcore.training.checkpoints.saving import save_checkpoint
from tests.faults.dying import in_child
from tests.faults.test_protocol import state
from tests.support.extended import extended

ROW = "errors of the machine or the store, and what killed commands leave"

OF_THE_MACHINE = ["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EIO", "ENOMEM", "ESTALE", "ETIMEDOUT", "EBUSY", "EAGAIN"]
OF_THE_INPUT = ["ENOENT", "ENOTDIR", "EISDIR", "EEXIST", "EACCES", "EPERM", "EROFS", "ENAMETOOLONG", "ELOOP"]


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("name", [*OF_THE_MACHINE, *OF_THE_INPUT])
def test_only_an_error_that_another_input_would_mend_is_one_of_the_input(name: str) -> None:
    number = getattr(errno, name)
    kind = TransientError if name in OF_THE_MACHINE else InputError
    with pytest.raises(kind), clear_errors("read", "somewhere"):
        raise OSError(number, os.strerror(number))


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", DeniedError),
        (403, "403", DeniedError),
        (401, "Unauthorized", DeniedError),
        (400, "ExpiredToken", InputError),
        (403, "InvalidAccessKeyId", InputError),
        (403, "SignatureDoesNotMatch", InputError),
        (403, "RequestTimeTooSkewed", TransientError),
        (403, "QuotaExceeded", TransientError),
        (507, "InsufficientStorage", TransientError),
        (503, "SlowDown", TransientError),
        (404, "NoSuchBucket", InputError),
        (404, "NoSuchKey", AbsentError),
        (301, "PermanentRedirect", InputError),
        (400, "InvalidRequest", InputError),
        (501, "NotImplemented", InputError),
    ],
)
def test_refusals_of_a_store_are_sorted_by_who_can_mend_them(status: int, code: str, kind: type[GrokcoreError]) -> None:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = ClientError(answer, "GetObject")  # type: ignore[arg-type]
    told = one_line(error, "read", "s3://bucket/key", "get_object", "https://store")
    assert type(told) is kind
    assert is_denied(error) == (status in (401, 403) or code == "ExpiredToken")


def test_missing_credentials_are_the_users_to_give() -> None:
    assert type(one_line(NoCredentialsError(), "read", "s3://b/k", "get_object", "https://store")) is InputError


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("can't start new thread"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
    ids=str,
)
def test_what_the_machine_is_the_cause_of_is_one_line_and_may_be_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(options: object) -> None:
        raise error

    monkeypatch.setattr("grokcore.cli.report.report", fail)
    assert main(["report", "run", "--out", "x"]) == 75
    assert len(capsys.readouterr().err.splitlines()) == 1

    with pytest.raises(SystemExit) as left, stage("train", tmp_path):
        raise error
    assert left.value.code == 75
    assert json.loads((tmp_path / ERROR_FILE).read_text())["kind"] == "transient"
    monkeypatch.setenv(RETRY_VARIABLE, "1")
    with stage("train", tmp_path):
        pass  # a retry is let in


def test_a_bug_is_none_of_the_machines() -> None:
    for bug in (RuntimeError("shapes do not match"), ValueError("x"), KeyError("x"), BrokenPipeError(), OSError("x")):
        assert error_of_the_machine(bug) is None


@pytest.mark.parametrize(("kind", "name"), [(AbsentError, "bad input"), (DamagedError, "bad input")])
def test_an_error_keeps_its_exit_code_in_the_record_of_a_stage(
    kind: type[GrokcoreError], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit), stage("evaluate", tmp_path):
        raise kind("there is no such file")
    assert json.loads((tmp_path / ERROR_FILE).read_text())["kind"] == name
    monkeypatch.setenv(RETRY_VARIABLE, "1")
    with pytest.raises(SystemExit) as left, stage("evaluate", tmp_path):
        pass
    assert left.value.code == 2


class Rotten(FileStore):
    """A disk that fails to read one file."""

    rotten = ""

    def read(self, key: str) -> bytes:
        if key == self.rotten:
            with clear_errors("read", key):
                raise OSError(errno.EIO, "Input/output error")
        return super().read(key)


@pytest.mark.fault(ROW, 1)
def test_a_manifest_of_an_old_checkpoint_that_cannot_be_read_stops_neither_saving_nor_loading(tmp_path: Path) -> None:
    store = Rotten(tmp_path)
    for step in (10, 20, 30):
        save_checkpoint(store, state(step))
    store.rotten = manifest_key(10)
    retention = Retention(last=2)
    retention.apply(store)
    save_checkpoint(store, state(40))
    retention.apply(store)
    assert {30, 40} <= set(files_by_step(store))
    store.rotten = manifest_key(40)
    found, skipped = load_checkpoint(store, "run")
    assert found is not None
    assert found.step == 30
    assert len(skipped) == 1
    assert "Input/output error" in skipped[0]


@pytest.mark.fault(ROW, 1)
def test_a_kill_before_old_checkpoints_are_removed_leaves_none_once_the_command_is_repeated(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec("smoke", ["training.checkpoint_interval=15", "training.checkpoint_keep=2"])
    with monkeypatch.context() as patched:
        patched.setattr(Retention, "apply", lambda self, store: None)
        grokcore.train_model(spec, smoke_data, tmp_path / "run")
    store = FileStore(tmp_path / "run" / "checkpoints")
    before = list(files_by_step(store))
    assert len(before) > 2
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    assert len(files_by_step(store)) < len(before)
    assert list(files_by_step(store))[-1] == before[-1]


@pytest.mark.fault(ROW, 1)
def test_what_a_killed_writer_left_is_gone_after_the_next_and_that_of_a_live_one_stays(tmp_path: Path) -> None:
    page = tmp_path / "report.html"

    def die_while_writing(descriptor: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        os.fsync = die_while_writing  # type: ignore[assignment]
        write_atomically(page, b"half")

    assert in_child(work) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    os.utime(left, (time.time() - 60,) * 2)
    alive = tmp_path / ".report.html.alive.tmp"
    alive.touch()
    os.utime(alive, (time.time() - 60,) * 2)
    import fcntl

    with alive.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        write_atomically(page, b"whole")
        assert {path.name for path in tmp_path.iterdir()} == {"report.html", alive.name}
    write_atomically(page, b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("replace", [False, True])
def test_a_journal_that_is_removed_during_training_is_said_and_written_again(
    replace: bool, smoke_data: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    journal = tmp_path / "run" / JOURNAL

    def remove(line: dict[str, object]) -> None:
        if line["step"] == 10:
            journal.unlink()
            if replace:
                journal.write_bytes(b"something else\n")

    spec = load_spec("smoke", ["evaluation.interval=10"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run", on_evaluation=remove, notify=said.append)
    assert [line for line in said if "metrics.jsonl was removed or replaced" in line]
    steps = [line["step"] for line in read_journal(journal)]
    assert steps[0] == 0
    assert 10 in steps
    assert steps[-1] == 60
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["seal"] is not None
    grokcore.evaluate_model(tmp_path / "run")


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize(
    ("redirections", "code"), [(">&- 2>&-", 0), extended("<&- >&- 2>&-", 0), extended("> /dev/full", 75)], ids=str
)
def test_a_training_whose_output_goes_nowhere_is_whole(
    redirections: str, code: int, smoke_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = f"{sys.executable} -m grokcore train smoke --data {smoke_data} --out {run} {redirections}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert read_journal(run / JOURNAL)[-1]["step"] == 60
    grokcore.evaluate_model(run)


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (["report", "http://[::1", "--out", "x"], {}),
        (["report", "file://[::1", "--out", "x"], {}),
        (["pipeline", "list", "--host", "http://[::1"], {}),
        (["pipeline", "list"], {"KF_PIPELINES_ENDPOINT": "http://[::1"}),
        (["pipeline", "list", "--host", "http://a:port"], {}),
        (
            ["runs", "list", "s3://abc/d"],
            {"AWS_ENDPOINT_URL_S3": "http://[::1"},
        ),
        (["train", "smoke", "--data", "nowhere", "--out", "x"], {"GROKCORE_WEBHOOK_URL": "http://[::1"}),
        (["train", "smoke", "--set", "training.learning_rate=1e308", "--data", "nowhere", "--out", "x"], {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_address_that_is_none_and_a_number_too_large_are_one_line(
    command: list[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(command) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
