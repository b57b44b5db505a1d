"""Time and counts of training: how long steps take, how long a run has trained, and what its evaluations add up to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from grokcore.runs.journal import JournalLine
from grokcore.telemetry.prometheus import Durations


class StepTimes:
    """Durations of the steps that this process has taken in one run, measured without waiting for the device.

    Attributes:
        steps: their number.
        last: when the last one ended, in seconds since the epoch; before the first, when this was made.
    """

    def __init__(self, *, asynchronous: bool) -> None:
        """
        Args:
            asynchronous: the device still works on a step when the call that started it has returned, so that only the
                time between two evaluations, which wait for the device, can be measured.
        """
        self.durations = Durations("grokking_step_duration_seconds")
        self.steps = 0
        self.last = time.time()
        self._asynchronous = asynchronous

    def add_step(self, seconds: float) -> None:
        """Count a step whose call took `seconds`."""
        self.steps += 1
        self.last = time.time()
        if not self._asynchronous:
            self.durations.add(seconds)

    def add_interval(self, steps: int, seconds: float) -> None:
        """Record the duration of the last `steps` steps together, once the device has finished them."""
        if self._asynchronous and steps:
            self.durations.add(seconds / steps, steps)


class TrainingClock:
    """Seconds that a run has trained, earlier attempts included, and the rate of its steps between evaluations.

    Attributes:
        cpu: CPU seconds of the optimizer steps, over all threads of this process; evaluations and checkpoints left out.
            On a machine that other work shares they tell the cost of a step where wall-clock seconds do not. None if
            an earlier attempt did not count them.
    """

    def __init__(self) -> None:
        self.start(step=0, elapsed=0.0, cpu=0.0)

    def start(self, *, step: int, elapsed: float, cpu: float | None) -> None:
        """Start at `step`, after `elapsed` seconds of training and `cpu` CPU seconds of steps."""
        self._began = self._interval_began = time.monotonic()
        self._before, self._first_step, self.cpu = elapsed, step, cpu

    def add_cpu(self, seconds: float) -> None:
        """Count the CPU seconds of a step."""
        if self.cpu is not None:
            self.cpu += seconds

    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self._before + time.monotonic() - self._began

    def interval(self, step: int) -> tuple[int, float]:
        """Steps, and seconds of training, since the last evaluation."""
        return step - self._first_step, time.monotonic() - self._interval_began

    def start_interval(self, step: int) -> None:
        """Measure the next interval from here."""
        self._interval_began, self._first_step = time.monotonic(), step

    def exclude(self, seconds: float) -> None:
        """Leave `seconds` of other work, such as saving, out of the interval."""
        self._interval_began += seconds


@dataclass
class EvaluationCounts:
    """Totals over the evaluations of this process, those that are discarded when a run walks back included.

    Attributes:
        nonfinite: losses and weight norms that were not finite.
        steps_skipped: optimizer steps that were not applied.
    """

    nonfinite: int = 0
    steps_skipped: int = 0

    def add(self, line: JournalLine, before: JournalLine | None) -> None:
        """Count an evaluation; `before` is the previous one."""
        losses = [measure["loss"] for measure in (line["train"], *line["splits"].values())]
        self.nonfinite += sum(value is None for value in (*losses, line["weight_norm"]))
        skipped = before["steps_skipped"] if before is not None else 0
        self.steps_skipped += max(0, line["steps_skipped"] - skipped)
