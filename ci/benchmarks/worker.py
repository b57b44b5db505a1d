"""One variant in a process of its own, which trains when it is told to and sleeps in between.

Processes of their own keep the variants' memory apart, and sleeping ones let them take turns on an otherwise idle
machine: a change of the machine's speed then meets all of them alike.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grokcore.training  # noqa: F401 - settles how threads wait for each other, for every variant alike
from ci.benchmarks.variants import VARIANTS
from ci.benchmarks.work import Stepper, Work
from grokcore.errors import GrokcoreError
from grokcore.spec import ExperimentSpec, resolve_device

if TYPE_CHECKING:
    import torch

PROFILED_OPERATORS = 8


@dataclass(frozen=True)
class Job:
    """Training task of a worker."""

    variant: str
    spec: ExperimentSpec
    data: Path


@dataclass(frozen=True)
class Burst:
    """Some optimizer steps on end."""

    seconds_per_step: float
    peak_memory: int
    """Bytes, since the process began: resident memory on a CPU, allocated device memory on a GPU."""
    work: Work
    """Work of the last step."""


class WorkerError(GrokcoreError):
    """A worker has failed or died."""


class Worker:
    """The near end of a worker. Use as a context manager."""

    def __init__(self, job: Job) -> None:
        self.job = job
        context = multiprocessing.get_context("spawn")
        self._connection, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, job), daemon=True)
        self._process.start()
        far_end.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()  # the far end reads that as its end
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def wait_until_ready(self) -> dict[str, str]:
        """Wait for the model to stand; workers that were started together build theirs at the same time.

        Returns:
            What carries out its arithmetic.
        """
        execution: dict[str, str] = self._receive()
        return execution

    def train(self, steps: int) -> Burst:
        """Let it take `steps` optimizer steps, and wait for that."""
        self._connection.send(("train", steps))
        burst: Burst = self._receive()
        return burst

    def profile(self, steps: int) -> dict[str, float]:
        """Let it take `steps` steps under torch's profiler: the operators' own shares of the time, largest first."""
        self._connection.send(("profile", steps))
        shares: dict[str, float] = self._receive()
        return shares

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            why = "the machine has too little memory" if code == -9 else f"its process ended with {code}"
            raise WorkerError(f"{self.job.variant} of {self.job.spec.name} died: {why}") from None
        if isinstance(answer, _Failure):
            raise WorkerError(f"{self.job.variant} of {self.job.spec.name} failed: {answer.line}")
        return answer


@dataclass(frozen=True)
class _Failure:
    line: str


def _serve(connection: Connection, job: Job) -> None:
    """The far end: does what it is told until the near end closes."""
    try:
        os.environ["HF_HUB_OFFLINE"] = "1"
        import torch

        device = torch.device(resolve_device(job.spec.training.device))
        with VARIANTS[job.variant].prepare(job.spec, job.data, device) as stepper:
            connection.send(stepper.execution)
            while True:
                command, steps = connection.recv()
                connection.send(_COMMANDS[command](stepper, steps, device))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return
    except Exception as error:
        if not isinstance(error, GrokcoreError):
            traceback.print_exc()
        connection.send(_Failure(f"{type(error).__name__}: {error}"))


def _train(stepper: Stepper, steps: int, device: torch.device) -> Burst:
    _wait_for(device)
    begin = time.perf_counter()
    for _ in range(steps):
        stepper.step()
    _wait_for(device)
    seconds = time.perf_counter() - begin
    return Burst(seconds / steps, _peak_memory(device), stepper.work())


def _profile(stepper: Stepper, steps: int, device: torch.device) -> dict[str, float]:
    from torch.profiler import ProfilerActivity, profile

    kind = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    with _silence(), profile(activities=[kind], acc_events=True) as recorded:
        for _ in range(steps):
            stepper.step()
        _wait_for(device)
    times = {
        event.key: event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        for event in recorded.key_averages()
    }
    total = sum(times.values())
    largest = sorted(times, key=lambda name: -times[name])[:PROFILED_OPERATORS]
    return {name: round(times[name] / total, 4) for name in largest}


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what is written to standard error: the profiler's library announces itself there."""
    before = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


_COMMANDS: dict[str, Callable[[Stepper, int, torch.device], Any]] = {"train": _train, "profile": _profile}


def _wait_for(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_memory(device: torch.device) -> int:
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    # Unlike getrusage's maximum, this one begins anew in a new process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
