"""One case measured: all its variants take turns, round after round."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ci.benchmarks.cases import Case
from ci.benchmarks.variants import VARIANTS
from ci.benchmarks.work import Work, check_equal
from ci.benchmarks.worker import Burst, Job, Worker


@dataclass(frozen=True)
class Entry:
    """A variant in a number format."""

    variant: str
    precision: str

    def __str__(self) -> str:
        return f"{self.variant} {self.precision}"


@dataclass(frozen=True)
class Effort:
    """Duration of the measurements of a variant."""

    repeats: int = 7
    burst_seconds: float = 1.0
    """About how long one repeat takes; at least one step."""
    most_seconds: float = 20.0
    """About how long all repeats of one variant may take together; at least one repeat."""

    def steps(self, seconds_per_step: float) -> int:
        return max(1, round(self.burst_seconds / seconds_per_step))

    def repeats_of(self, seconds_per_step: float) -> int:
        repeat = self.steps(seconds_per_step) * seconds_per_step
        return max(1, min(self.repeats, int(self.most_seconds / repeat)))

    def expected(self, seconds_per_step: float) -> float:
        """About how many seconds a variant takes whose step takes about `seconds_per_step`, warm-up included."""
        return (self.repeats_of(seconds_per_step) + 1) * self.steps(seconds_per_step) * seconds_per_step


@dataclass
class Timing:
    """Measurements of one entry."""

    entry: Entry
    steps: int
    """Optimiser steps in each repeat."""
    execution: dict[str, str]
    """Kernels that did the arithmetic."""
    first_step: Work
    seconds: list[float] = field(default_factory=list)
    """Per step, one of each repeat; the same place in two lists of a case is the same round."""
    peak_memory: int = 0
    profile: dict[str, float] | None = None
    """Shares of the time, by operator."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def paired_ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median over rounds of slow / fast; a round that only one of the two took part in is left out."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=False))


def measure(
    case: Case, entries: Sequence[Entry], data: Path, *, device: str, threads: int, effort: Effort
) -> Iterator[list[Timing]]:
    """The timings so far, after every round, and once more after the profiles.

    Before the first round every entry takes steps that do not count: one, whose work is compared with the others', and
    where they are short enough some more, which tell how many a repeat has.

    Raises:
        UnequalWorkError: two entries do not do the same work.
        WorkerError: one of them has failed.
    """
    with ExitStack() as stack:
        workers: dict[Entry, Worker] = {}
        for entry in entries:
            settings = (f"device={device}", f"threads={threads}", f"precision={entry.precision}")
            overrides = (*(f"training.{setting}" for setting in settings), *VARIANTS[entry.variant].overrides)
            workers[entry] = stack.enter_context(Worker(Job(entry.variant, case.spec(*overrides), data)))
        executions = {entry: worker.wait_until_ready() for entry, worker in workers.items()}
        timings, repeats = {}, {}
        for entry, worker in workers.items():
            first, settled = warm_up(worker, effort)
            timings[entry] = Timing(entry, effort.steps(settled), executions[entry], first.work)
            repeats[entry] = effort.repeats_of(settled)
        for precision in sorted({entry.precision for entry in entries}):
            works = {
                entry.variant: timing.first_step for entry, timing in timings.items() if entry.precision == precision
            }
            check_equal(works, precision)
        for round_number in range(max(repeats.values())):
            for entry, timing in timings.items():
                if round_number < repeats[entry]:
                    burst = workers[entry].train(timing.steps)
                    timing.seconds.append(burst.seconds_per_step)
                    timing.peak_memory = burst.peak_memory
            yield list(timings.values())
        for entry, timing in timings.items():
            if VARIANTS[entry.variant].profiled:
                timing.profile = workers[entry].profile(min(timing.steps, 20))
        yield list(timings.values())


def warm_up(worker: Worker, effort: Effort) -> tuple[Burst, float]:
    """The first step, and about how long a step takes."""
    first = worker.train(1)
    guess = first.seconds_per_step
    if worker.job.spec.training.device == "cuda":
        guess = worker.train(10).seconds_per_step  # meanwhile kernels are loaded, and a step is recorded as a graph
    elif guess > 3 * effort.burst_seconds:
        return first, guess
    return first, worker.train(max(3, effort.steps(guess) // 3)).seconds_per_step
