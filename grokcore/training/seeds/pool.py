"""Train runs in worker processes, each on its own cores, with a queue of waiting jobs."""

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
from grokcore.telemetry.prometheus import decode
from grokcore.training.metrics_server import live_metrics
from grokcore.training.seeds.jobs import Job, Listener, Outcome, encode_job
from grokcore.training.signals import stop_on_signal
from grokcore.version import SOURCE_ROOT

_CGROUP = Path("/sys/fs/cgroup")
_POLL_SECONDS = 0.1
"""Longest delay until a signal is noticed."""


def train_in_processes(jobs: Sequence[Job], listener: Listener, most: int | None = None) -> list[Outcome]:
    """Train as many runs at a time as the cores allow; a lost process is replaced, and its run counted as failed.

    A signal to this process is passed on: each run saves after its current step. If this process is killed, or
    ends at a second signal, its workers notice that their standard input has ended, and do the same.

    Args:
        jobs: of specs with the same `training.threads`; started in this order.
        most: largest number of processes; None for as many as the cores allow.
    """
    threads = jobs[0].spec.training.threads or 1
    pool = WorkerPool(jobs, listener, threads)
    with stop_on_signal() as stop:
        try:
            for cores in core_shares(min(len(jobs), most or len(jobs)), threads):
                pool.start(cores)
            while pool.workers:
                pool.handle_message()
                if stop.requested:
                    pool.stop()
        finally:
            pool.close()
    return pool.outcomes


class _Worker:
    """A process that does one job after another; `job` is the number of the current one."""

    def __init__(self, cores: frozenset[int], threads: int, messages: queue.SimpleQueue[tuple[_Worker, Any]]) -> None:
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

    def assign(self, number: int, job: Job) -> None:
        self.job = number
        self._write(encode_job(job))

    def finish(self) -> None:
        """Let a worker without a job exit."""
        self._write(b"null\n")

    def close_input(self) -> None:
        """End the worker's standard input: it saves and exits."""
        with suppress(OSError):
            _pipe(self._child.stdin).close()

    def stop(self) -> None:
        self._child.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self._child.wait()

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # the other pipe tells that the worker has gone
            pipe = _pipe(self._child.stdin)
            pipe.write(line)
            pipe.flush()

    def _listen(self, messages: queue.SimpleQueue[tuple[_Worker, Any]]) -> None:
        """Queue the worker's messages, and None when it has gone; an incomplete last line is dropped."""
        with _pipe(self._child.stdout) as pipe:
            for line in pipe:
                if line.endswith(b"\n"):
                    messages.put((self, json.loads(line)))
        messages.put((self, None))


class WorkerPool:
    """Worker processes, waiting jobs, and the outcomes of the others."""

    def __init__(self, jobs: Sequence[Job], listener: Listener, threads: int) -> None:
        self.outcomes: list[Outcome] = [None] * len(jobs)
        self.workers: set[_Worker] = set()
        self._jobs, self._listener, self._threads = jobs, listener, threads
        self._waiting = deque(range(len(jobs)))
        self._stopping = False
        self._metrics = live_metrics()
        self._messages: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()

    def start(self, cores: frozenset[int]) -> None:
        """Start a worker on `cores` and assign it the next job."""
        process = _Worker(cores, self._threads, self._messages)
        self.workers.add(process)
        self._next(process)

    def handle_message(self) -> None:
        """Handle one message, if one arrives soon."""
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
            case {"metrics": samples} if self._metrics is not None:
                self._metrics.show(job.spec, job.run, partial(decode, samples))
            case {"end": outcome}:
                self._record(process, decode_outcome(outcome))
                self._next(process)

    def stop(self) -> None:
        """Have every run save and stop, and start no other."""
        if not self._stopping:
            self._stopping = True
            for process in self.workers:
                process.stop()

    def close(self) -> None:
        """End all workers, whatever has happened here."""
        for process in self.workers:
            process.close_input()
        for process in self.workers:
            process.wait()

    def _next(self, process: _Worker) -> None:
        if self._waiting and not self._stopping:
            number = self._waiting.popleft()
            self._listener.on_begin(self._jobs[number])
            if self._metrics is not None:
                self._metrics.begin(self._jobs[number].spec)
            process.assign(number, self._jobs[number])
        else:
            process.finish()

    def _lost(self, process: _Worker) -> None:
        """Handle the end of a worker, with or without a current job."""
        self.workers.discard(process)
        code = process.wait()
        if process.job is None:
            return
        self._record(process, StoppedError("stopped before it had begun") if self._stopping else _loss(code))
        if self._waiting and not self._stopping:
            self.start(process.cores)

    def _record(self, process: _Worker, outcome: TrainResult | GrokcoreError) -> None:
        number, process.job = process.job, None
        if number is not None:
            self.outcomes[number] = outcome
            self._listener.on_end(self._jobs[number], outcome)


def _loss(code: int) -> GrokcoreError:
    """Return the error for a worker that ended without an outcome."""
    if code >= 0:
        return GrokcoreError(f"its process ended with exit code {code}")
    name = signal.Signals(-code).name
    if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        hint = ", perhaps out of memory" if -code == signal.SIGKILL else ""
        return TransientError(f"its process was killed by {name}{hint}; the same command goes on from its checkpoint")
    return GrokcoreError(f"its process died of {name}")


def _environment(threads: int) -> dict[str, str]:
    package = str(SOURCE_ROOT)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - PIPE makes it
    return pipe


def core_shares(jobs: int, threads: int) -> list[frozenset[int]]:
    """Return the cores of each process: as many processes of `threads` threads as are useful and fit, at least one.

    Each gets an equal share of all cores that this process may use, not just one core per thread: with cores to spare,
    two such programs on one machine do not compete for the same few.
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
    """Restrict this process to some cores, where the platform can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def cpu_quota(cgroup: Path = _CGROUP) -> float | None:
    """Return the number of CPUs of the container's limit, which no list of cores shows; None without a limit."""
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
