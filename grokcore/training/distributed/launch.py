"""Launch one training in several processes of this machine, from a process that does not train.

Unlike torchrun, it keeps the exit codes, ends the processes at once at a second signal, and ends them with the process
that has started them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from grokcore.errors import (
    EXIT_BAD_INPUT,
    EXIT_OK,
    EXIT_STOPPED,
    EXIT_TRANSIENT,
    GrokcoreError,
    InputError,
    StoppedError,
    TransientError,
)
from grokcore.runs.resume import Resume, TrainResult, decode_outcome
from grokcore.spec import ExperimentSpec, check_hardware, devices_here, resolve, resolve_device
from grokcore.spec.hardware import visible_gpus
from grokcore.spec.ranks import rank_of_environment
from grokcore.storage import open_store, temporary_directory
from grokcore.training.seeds.jobs import Job, encode_job
from grokcore.training.signals import StopRequest, stop_on_signal
from grokcore.version import SOURCE_ROOT

PARENT_VARIABLE = "GROKCORE_STOP_WITH_PARENT"
"""Set for launched processes: they stop when the process that has launched them ends."""

_POLL_SECONDS = 0.1
_REPORT_SECONDS = 15.0
"""Seconds for the other processes to notice a failed one and report it, before they get SIGTERM."""
_SAVE_SECONDS = 60.0
"""Seconds from SIGTERM to SIGKILL for the other processes."""

_SEVERITY = (1, EXIT_BAD_INPUT, EXIT_TRANSIENT, EXIT_STOPPED, EXIT_OK)
"""Exit codes of several processes in order of precedence: a bug first, a lost peer only without any other."""


def processes_here(spec: ExperimentSpec) -> int:
    """Return how many processes train a resolved spec on this machine: one per GPU with DeepSpeed, else one."""
    if spec.training.engine != "deepspeed" or rank_of_environment().world_size > 1:
        return 1
    return max(1, visible_gpus()) if resolve_device(spec.training.device) == "cuda" else devices_here(spec)


def launch(
    command: Sequence[str],
    processes: int,
    *,
    stop: StopRequest,
    notify: Callable[[str], None],
) -> int:
    """Run `command` in several processes, as ranks 0 to `processes` - 1 of one group, and wait for all of them.

    Args:
        stop: a request is passed on to all of them as SIGTERM; they save, and exit with 143.
        notify: called with a line for each process that was killed.

    Returns:
        0 if all processes return it, else the code that takes precedence; 75 for a killed process.
    """
    environment = _environment(processes)
    children: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(processes):
            mine = {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            # A session of its own: Ctrl-C reaches this process alone, and each child once, by way of it.
            children.append(subprocess.Popen(command, env=mine, start_new_session=True))
        return _wait(children, stop, notify)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()


def _wait(children: Sequence[subprocess.Popen[bytes]], stop: StopRequest, notify: Callable[[str], None]) -> int:
    asked = False
    failed_at: float | None = None
    while [child for child in children if child.poll() is None]:  # which asks every one of them
        now = time.monotonic()
        if failed_at is None and any(child.returncode not in (None, EXIT_OK) for child in children):
            failed_at = now
        if not asked and (stop.requested or (failed_at is not None and now > failed_at + _REPORT_SECONDS)):
            asked = True
            _signal(children, signal.SIGTERM)
        if failed_at is not None and now > failed_at + _REPORT_SECONDS + _SAVE_SECONDS:
            _signal(children, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    for rank, child in enumerate(children):
        if child.returncode < 0:
            name = signal.Signals(-child.returncode).name
            hint = ", perhaps out of memory" if child.returncode == -signal.SIGKILL else ""
            notify(
                f"process {rank} of {len(children)} was killed by {name}{hint}; "
                f"the same command goes on from the last checkpoint"
            )
    return worst(child.returncode for child in children)


def worst(codes: Iterable[int]) -> int:
    """Return the exit code that takes precedence."""
    kept = [EXIT_TRANSIENT if code < 0 else code for code in codes]
    return min(kept, key=lambda code: _SEVERITY.index(code) if code in _SEVERITY else 0)


def _signal(children: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for child in children:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)


def _environment(processes: int) -> dict[str, str]:
    package = str(SOURCE_ROOT)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        PARENT_VARIABLE: "1",
    }
    if processes > 1:
        environment.setdefault("OMP_NUM_THREADS", "1")  # as torchrun has it; training.threads overrides it
    return environment


def python(*arguments: str) -> list[str]:
    """Return a command for this Python."""
    return [sys.executable, "-P", *arguments]


def train_on_all_devices(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume = "auto",
    stop_with_parent: bool = False,
    notify: Callable[[str], None] = lambda line: None,
    processes: int | None = None,
) -> TrainResult:
    """Train a run on every GPU of this machine, one process each, if the spec's engine is DeepSpeed.

    If one process is enough, it trains in this one.

    Args:
        spec, data, out, resume, stop_with_parent, notify: as in `train_model`; several processes print
            themselves what `notify` would be called with.
        processes: their number; None for one per GPU.

    Raises:
        GrokcoreError: as in `train_model`; TransientError for a killed process.
    """
    spec = resolve(spec, devices=processes)
    count = processes_here(spec) if processes is None else processes
    if count == 1:
        from grokcore.training.train import train_model

        return train_model(spec, data, out, resume=resume, stop_with_parent=stop_with_parent, notify=notify)
    check_hardware(spec, processes=count)
    job = Job(spec, open_store(data).uri, open_store(out).uri, resume)
    remarks: list[str] = []
    with stop_on_signal(with_parent=stop_with_parent) as stop, temporary_directory() as folder:
        request, outcome = folder / "job.json", folder / "outcome.json"
        request.write_bytes(encode_job(job))
        code = launch(
            python("-m", "grokcore.training.distributed.member", str(request), str(outcome)),
            count,
            stop=stop,
            notify=remarks.append,
        )
        if outcome.is_file():
            result = decode_outcome(json.loads(outcome.read_bytes()))
            if isinstance(result, TrainResult) and code == 0:
                return result
            if isinstance(result, GrokcoreError) and result.exit_code == code:
                raise result
    reason = remarks[0] if remarks else "a process of this training failed; its traceback stands above"
    raise error_of(code)(reason)


def error_of(code: int) -> type[GrokcoreError]:
    """Return the class of error that has an exit code."""
    kinds: tuple[type[GrokcoreError], ...] = (InputError, TransientError, StoppedError)
    return next((kind for kind in kinds if kind.exit_code == code), GrokcoreError)
