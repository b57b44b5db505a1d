"""Progress of a sweep in the terminal: a permanent line per finished run, and a status line.

done  architecture=gpt2, seed 0: budget_steps after 3500 steps  train 1.000  iid 0.998  ood 0.981
5/12 runs done, 2 running, 5 waiting  7:40 left  architecture=llama, seed 0 900/3500 1.000 0.981 0.412
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from grokcore.errors import BusyError, GrokcoreError, StoppedError
from grokcore.runs.journal import JournalLine
from grokcore.runs.resume import TrainResult
from grokcore.terminal.status import StatusLine, accuracy_text, duration, fitting, short_name

_PIPED_SECONDS = 20.0
"""Interval between status lines in a pipe."""


@dataclass
class _Run:
    """A run; `cost` is the cost of a step, in a unit common to all runs."""

    label: str
    max_steps: int
    cost: float
    state: Literal["waiting", "running", "done", "stopped", "failed"] = "waiting"
    line: JournalLine | None = None
    seconds_per_step: float | None = None

    @property
    def steps_left(self) -> int:
        done = self.state in ("done", "stopped", "failed")
        return 0 if done else max(0, self.max_steps - (self.line["step"] if self.line else 0))


class SweepProgress:
    """Displays the state of the runs of a sweep; without a stream it displays nothing."""

    def __init__(self, stream: TextIO | None = None, *, quiet_seconds: float = _PIPED_SECONDS) -> None:
        self._status = StatusLine(stream, quiet_seconds=quiet_seconds) if stream is not None else None
        self._runs: dict[str, _Run] = {}
        self._what, self._before = "runs", 0

    def stage(self, what: str, before: int = 0) -> None:
        """Start over with other runs.

        Args:
            what: their name, in the plural.
            before: number of finished ones.
        """
        self._runs, self._what, self._before = {}, what, before

    def expect(self, runs: Mapping[str, tuple[str, int, float]]) -> None:
        """Add runs: label, steps, and the cost of a step, by key."""
        self._runs |= {key: _Run(*facts) for key, facts in runs.items()}

    def begin(self, key: str) -> None:
        """Mark a run as started."""
        self._runs[key].state = "running"

    def show(self, key: str, line: JournalLine) -> None:
        """Show a new journal line of a run."""
        run = self._runs[key]
        run.line = line
        rate = line["clock"].get("steps_per_second")
        run.seconds_per_step = 1 / rate if rate else run.seconds_per_step
        if self._status is not None:
            self._status.show(self._text, [], due=self._status.rested)

    def end(self, key: str, outcome: TrainResult | GrokcoreError) -> None:
        """Show the end or failure of a run."""
        run = self._runs[key]
        if isinstance(outcome, TrainResult):
            run.state = "done"
            parts = [f"done  {run.label}: {outcome.exit_reason} after {outcome.step} steps"]
            parts += _named_accuracies(run.line) if run.line else []
        elif isinstance(outcome, StoppedError):
            run.state = "stopped"
            parts = [f"saved  {run.label}: {outcome}"]
        elif isinstance(outcome, BusyError):
            run.state = "waiting"
            parts = [f"later  {run.label}: {outcome}"]
        else:
            run.state = "failed"
            parts = [f"failed  {run.label}: {outcome}"]
        if self._status is not None:
            self._status.show(self._text, ["  ".join(parts)], due=False)

    def tell(self, remark: str) -> None:
        """Show a permanent remark."""
        if self._status is not None:
            self._status.tell(f"grokcore: {remark}")

    def close(self) -> None:
        """Release the terminal, keeping the last line."""
        if self._status is not None:
            self._status.close()

    def _text(self, width: int) -> str:
        return sweep_line(list(self._runs.values()), self._what, self._before, width)


def sweep_line(runs: Sequence[_Run], what: str, before: int, width: int) -> str:
    """Format counts, time left, and as many of the running runs as fit into `width` columns."""
    counts = Counter(run.state for run in runs)
    head = f"{before + counts['done']}/{before + len(runs)} {what} done"
    head += "".join(f", {counts[state]} {state}" for state in ("running", "waiting", "failed") if counts[state])
    left = seconds_left(runs)
    tail = [] if left is None else [f"{duration(left)} left"]
    running = [_running_text(run) for run in runs if run.state == "running" and run.line is not None]
    return fitting([head, *tail, *running], width)


def seconds_left(runs: Sequence[_Run]) -> float | None:
    """Estimate the remaining time from the pace of started runs; None without any, or when all have ended.

    The time per step is proportional to its cost. The number of concurrent runs is assumed to stay the same.
    """
    seen = [(run.seconds_per_step, run.cost) for run in runs if run.seconds_per_step]
    if not seen or not any(run.steps_left for run in runs):
        return None
    pace = sum(seconds / cost for seconds, cost in seen) / len(seen)
    each = [run.steps_left * (run.seconds_per_step or pace * run.cost) for run in runs]
    side_by_side = max(1, sum(run.state == "running" for run in runs))
    return max(sum(each) / side_by_side, max(each))


def _running_text(run: _Run) -> str:
    assert run.line is not None  # noqa: S101 - the caller has looked
    accuracies = " ".join(accuracy_text(measure["accuracy"]) for _, measure in _watched(run.line))
    return f"{run.label} {run.line['step']}/{run.max_steps} {accuracies}"


def _named_accuracies(line: JournalLine) -> list[str]:
    return [f"{name} {accuracy_text(measure['accuracy'])}" for name, measure in _watched(line)]


def _watched(line: JournalLine) -> list[tuple[str, Mapping[str, Any]]]:
    """Measures of the training set and of the held-out splits."""
    splits = [split for split in line["phases"] if split != "memorized"]
    return [("train", line["train"]), *((short_name(split), line["splits"][split]) for split in splits)]
