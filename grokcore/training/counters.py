"""How long optimiser steps take. The one thing here that training itself has to do for every step.

What is counted over the evaluations of one process, those that are thrown away when a run walks back included.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from grokcore.runs.journal import JournalLine
from grokcore.telemetry.samples import Durations


class StepTimes:
    """The steps that this process has taken in one run, as its host sees them: the device is never waited for.

    Attributes:
        steps: how many.
        last: when the last one ended, in seconds since the epoch; before the first, when this began.
    """

    def __init__(self, *, asynchronous: bool) -> None:
        """
        Args:
            asynchronous: a step goes on after the call that began it has returned, so that only the time of many,
                waited for by an evaluation, means anything.
        """
        self.durations = Durations("grokking_step_duration_seconds")
        self.steps = 0
        self.last = time.time()
        self._asynchronous = asynchronous

    def took(self, seconds: float) -> None:
        """A step was called, and its call took so long."""
        self.steps += 1
        self.last = time.time()
        if not self._asynchronous:
            self.durations.add(seconds)

    def waited(self, steps: int, seconds: float) -> None:
        """The device has been waited for: these steps, the last ones, took so long together."""
        if self._asynchronous and steps:
            self.durations.add(seconds / steps, steps)


@dataclass
class Tally:
    """
    Attributes:
        nonfinite: losses and weight norms that were no numbers.
        steps_skipped: optimiser steps that were not applied.
    """

    nonfinite: int = 0
    steps_skipped: int = 0

    def add(self, line: JournalLine, before: JournalLine | None) -> None:
        """Count an evaluation; `before` is the one that it follows."""
        losses = [measure["loss"] for measure in (line["train"], *line["splits"].values())]
        self.nonfinite += sum(value is None for value in (*losses, line["weight_norm"]))
        skipped = before["steps_skipped"] if before is not None else 0
        self.steps_skipped += max(0, line["steps_skipped"] - skipped)
