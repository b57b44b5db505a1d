"""How fast a run trains, and how long it will go on, by the clock of its journal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from grokcore.runs.journal import JournalLine
from grokcore.spec.training import TrainingSpec

_RECENT = 5
"""Evaluations over whose rates the median is taken, so that the time left does not jump."""


def steps_per_second(lines: Sequence[JournalLine]) -> float | None:
    """The present rate, in optimizer steps; None where no evaluation has one."""
    rates = [line["clock"].get("steps_per_second") for line in lines[-_RECENT:]]
    known = [rate for rate in rates if rate]
    return median(known) if known else None


def seconds_left(lines: Sequence[JournalLine], training: TrainingSpec, step: int | None = None) -> float | None:
    """Seconds until a budget is used up, at the present rate; None where that is not known.

    Args:
        step: optimizer steps so far; by default those of the last evaluation.
    """
    rate = steps_per_second(lines)
    if rate is None:
        return None
    step = int(lines[-1]["step"]) if step is None else step
    left = max(0, training.max_steps - step) / max(rate, 1e-9)
    if training.max_seconds is None:
        return left
    elapsed: float = lines[-1]["clock"]["elapsed_seconds"] + (step - lines[-1]["step"]) / max(rate, 1e-9)
    return max(0.0, min(left, training.max_seconds - elapsed))
