"""What a run has cost by a step, in the units that times to grok are given in."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

from grokcore.evaluation.survival.times import EventTime

if TYPE_CHECKING:
    from grokcore.runs.journal import JournalLine
    from grokcore.runs.record import RunRecord

TimeUnit = Literal["steps", "examples", "flops", "seconds", "cpu_seconds"]
UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)
UNIT_NAMES: Mapping[TimeUnit, str] = {
    "steps": "steps",
    "examples": "examples",
    "flops": "FLOPs",
    "seconds": "seconds",
    "cpu_seconds": "CPU seconds",
}

_TICKS: Mapping[TimeUnit, int] = {"steps": 1, "examples": 1, "flops": 1, "seconds": 1000, "cpu_seconds": 1000}
"""Ticks of a unit: whole numbers of them are exact enough for statistics of times."""


def is_known(run: RunRecord, unit: TimeUnit) -> bool:
    """Whether the run and what it started from recorded their cost in a unit."""
    return cost_at(run, 0, unit) is not None


def cost_at(run: RunRecord, step: int, unit: TimeUnit) -> float | None:
    """Cost of the first `step` optimizer steps of a run, and of all that trained the weights that it started from.

    FLOPs and seconds are read off the journal, linearly between two evaluations and, beyond the last one, at the mean
    rate of the run. None where the run or its source did not count them.
    """
    own, source = _own_cost(run, step, unit), _source_cost(run, unit)
    return None if own is None or source is None else own + source


def in_ticks(run: RunRecord, time: EventTime, unit: TimeUnit) -> EventTime:
    """Convert a time in steps: to whole steps, examples or FLOPs, or to milliseconds.

    Raises:
        ValueError: the run did not count this unit.
    """
    after = None if time.after is None else ticks_at(run, time.after, unit)
    return EventTime(ticks_at(run, time.step, unit), censored=time.censored, after=after)


def ticks_at(run: RunRecord, step: int, unit: TimeUnit) -> int:
    """`cost_at` as a whole number of steps, examples, FLOPs or milliseconds.

    Raises:
        ValueError: the run did not count this unit.
    """
    cost = cost_at(run, step, unit)
    if cost is None:
        raise ValueError(f"{run.uri} did not count {UNIT_NAMES[unit]}")
    return round(cost * _TICKS[unit])


def _source_cost(run: RunRecord, unit: TimeUnit) -> float | None:
    source = run.manifest.source
    return 0 if source is None else getattr(source, unit)


def _own_cost(run: RunRecord, step: int, unit: TimeUnit) -> float | None:
    match unit:
        case "steps":
            return step
        case "examples":
            return step * run.spec.training.batch_size
    lines = run.journal
    if not lines or any(_measured(line, unit) is None for line in (lines[0], lines[-1])):
        return None
    steps: list[int] = [line["step"] for line in lines]
    costs = [_measured(line, unit) or 0.0 for line in lines]
    for (low, cost), (high, more) in pairwise(zip(steps, costs, strict=True)):
        if step <= high:
            return cost + (more - cost) * (step - low) / (high - low)
    rate = (costs[-1] - costs[0]) / (steps[-1] - steps[0]) if steps[-1] > steps[0] else 0.0
    return costs[-1] + rate * (step - steps[-1])


def _measured(line: JournalLine, unit: TimeUnit) -> float | None:
    match unit:
        case "flops":
            return float(line["flops"])
        case "seconds":
            return float(line["clock"]["elapsed_seconds"])
        case _:
            seconds = line["clock"].get("cpu_seconds")
            return None if seconds is None else float(seconds)
