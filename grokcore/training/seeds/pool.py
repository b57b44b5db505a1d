"""Runs in processes of their own, each on its own cores, with a queue for those that wait.

Which processor cores each of several training processes runs on.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from grokcore.errors import GrokcoreError, StoppedError, TransientError
from grokcore.runs.resume import TrainResult, decode_outcome
from grokcore.telemetry.samples import decode
from grokcore.training.metrics_server import board
from grokcore.training.seeds.jobs import Job, Listener, Outcome, encode_job
from grokcore.training.signals import stop_on_signal
from grokcore.version import SOURCE_ROOT

_CGROUP = Path("/sys/fs/cgroup")


def shares(jobs: int, threads: int) -> list[frozenset[int]]:
    """The cores of each process: as many processes of `threads` threads as are useful and have room, at least one.

    Each gets an equal share of all cores that this process may use, its own and no other's, and not just as many as it
    has threads: where cores are to spare, two such programs on one machine do not crowd onto the same few.
    """
    cores = usable_cores()
    quota = cpu_quota()
    room = len(cores) if quota is None else min(len(cores), round(quota))
    processes = max(1, min(jobs, room // threads))
    bounds = [len(cores) * number // processes for number in range(processes + 1)]
    return [frozenset(cores[begin:end]) for begin, end in pairwise(bounds)]


def usable_cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin(cores: frozenset[int]) -> None:
    """Keep this process on some cores, where the platform can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def cpu_quota(cgroup: Path = _CGROUP) -> float | None:
    """The CPUs that a container's limit is worth, which no list of cores shows; None where there is no limit."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    try:
        return float(limit) / float(period) if float(limit) > 0 else None
    except ValueError:  # "max"
        return None


_POLL_SECONDS = 0.1
"""How long a signal may go unnoticed."""


def train_in_processes(jobs: Sequence[Job], listener: Listener, most: int | None = None) -> list[Outcome]:
    """As many runs at a time as the cores hold; a process that is lost is replaced, and its run counted as failed.

    A signal to this process is passed on: each run saves after the step in hand. Should this process be killed, or
    leave because of a second signal, its processes notice that their standard input has ended, and do the same.

    Args:
        jobs: of any specs that have the same `training.threads`; begun in this order.
        most: processes at most; None for as many as the cores hold.
    """
    threads = jobs[0].spec.training.threads or 1
    crew = _Crew(jobs, listener, threads)
    with stop_on_signal() as stop:
        try:
            for cores in shares(min(len(jobs), most or len(jobs)), threads):
                crew.hire(cores)
            while crew.at_work:
                crew.hear()
                if stop.requested:
                    crew.stop()
        finally:
            crew.dismiss()
    return crew.outcomes


class _Process:
    """A child that does one job after another; `job` is the number of the one in hand."""

    def __init__(self, cores: frozenset[int], threads: int, messages: queue.SimpleQueue[tuple[_Process, Any]]) -> None:
        self.cores = cores
        self.job: int | None = None
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "grokcore.training.seeds.worker", ",".join(map(str, sorted(cores)))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(threads),
            start_new_session=True,  # Ctrl-C here reaches only us: a child takes a second signal as a wish to hurry
        )
        threading.Thread(target=self._listen, args=(messages,), daemon=True).start()

    def give(self, number: int, job: Job) -> None:
        self.job = number
        self._write(encode_job(job))

    def dismiss(self) -> None:
        """Let a child without a job go."""
        self._write(b"null\n")

    def abandon(self) -> None:
        """End a child's standard input: it saves and leaves."""
        with suppress(OSError):
            _pipe(self._child.stdin).close()

    def stop(self) -> None:
        self._child.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self._child.wait()

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # a child that has gone is heard of at the other pipe
            pipe = _pipe(self._child.stdin)
            pipe.write(line)
            pipe.flush()

    def _listen(self, messages: queue.SimpleQueue[tuple[_Process, Any]]) -> None:
        """Pass on what the child says, and None when it has gone; a line that it could not finish says nothing."""
        with _pipe(self._child.stdout) as pipe:
            for line in pipe:
                if line.endswith(b"\n"):
                    messages.put((self, json.loads(line)))
        messages.put((self, None))


class _Crew:
    """The processes, the jobs that wait, and what became of the others."""

    def __init__(self, jobs: Sequence[Job], listener: Listener, threads: int) -> None:
        self.outcomes: list[Outcome] = [None] * len(jobs)
        self.at_work: set[_Process] = set()
        self._jobs, self._listener, self._threads = jobs, listener, threads
        self._waiting = deque(range(len(jobs)))
        self._stopping = False
        self._board = board()
        self._messages: queue.SimpleQueue[tuple[_Process, Any]] = queue.SimpleQueue()

    def hire(self, cores: frozenset[int]) -> None:
        """Start a process on `cores` and give it the next job."""
        process = _Process(cores, self._threads, self._messages)
        self.at_work.add(process)
        self._next(process)

    def hear(self) -> None:
        """Take one message, if one comes soon."""
        try:
            process, message = self._messages.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return
        if message is None:
            self._lost(process)
            return
        if process.job is None:
            return
        job = self._jobs[process.job]
        match message:
            case {"line": line}:
                self._listener.on_evaluation(job, line)
            case {"note": note}:
                self._listener.on_remark(job, note)
            case {"metrics": samples} if self._board is not None:
                self._board.show(job.spec, job.run, partial(decode, samples))
            case {"end": outcome}:
                self._settle(process, decode_outcome(outcome))
                self._next(process)

    def stop(self) -> None:
        """Have every run save and leave; no further one is begun."""
        if not self._stopping:
            self._stopping = True
            for process in self.at_work:
                process.stop()

    def dismiss(self) -> None:
        """Leave no process behind, whatever has happened here."""
        for process in self.at_work:
            process.abandon()
        for process in self.at_work:
            process.wait()

    def _next(self, process: _Process) -> None:
        if self._waiting and not self._stopping:
            number = self._waiting.popleft()
            self._listener.on_begin(self._jobs[number])
            if self._board is not None:
                self._board.begin(self._jobs[number].spec)
            process.give(number, self._jobs[number])
        else:
            process.dismiss()

    def _lost(self, process: _Process) -> None:
        """A process has gone: dismissed, or in the middle of its work."""
        self.at_work.discard(process)
        code = process.wait()
        if process.job is None:
            return
        self._settle(process, StoppedError("stopped before it had begun") if self._stopping else _loss(code))
        if self._waiting and not self._stopping:
            self.hire(process.cores)

    def _settle(self, process: _Process, outcome: TrainResult | GrokcoreError) -> None:
        number, process.job = process.job, None
        if number is not None:
            self.outcomes[number] = outcome
            self._listener.on_end(self._jobs[number], outcome)


def _loss(code: int) -> GrokcoreError:
    """Why a process went without a word."""
    if code >= 0:
        return GrokcoreError(f"its process ended with exit code {code}")
    name = signal.Signals(-code).name
    if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        hint = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
        return TransientError(f"its process was killed by {name}{hint}; the same command goes on from its checkpoint")
    return GrokcoreError(f"its process died of {name}")


def _environment(threads: int) -> dict[str, str]:
    package = str(SOURCE_ROOT)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - PIPE makes it
    return pipe
