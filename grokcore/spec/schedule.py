"""The learning rate at a step: a pure function, so that a resumed run needs no schedule state."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from grokcore.spec.training import PhaseDrop, Role, TrainingSpec


def learning_rate_at(step: int, training: TrainingSpec, drops: Sequence[int] = ()) -> float:
    """Learning rate of the optimizer step that follows `step` completed ones.

    Linear warm-up from 0 over `warmup_steps`, then by `schedule`: constant; linear or cosine (arXiv 1608.03983,
    without restarts) down to `schedule_floor` at `schedule_steps`, and flat from there; or multiplied by `drop_factor`
    at each of `drop_steps`, or, with the schedule `phase`, at each of `drops`.

    Args:
        drops: the steps from which the phases of `drop_on` are known to have begun, see `phase_drops`.
    """
    peak, warmup = training.learning_rate, training.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    match training.schedule:
        case "constant":
            return peak
        case "step" | "phase":
            at = training.drop_steps if training.schedule == "step" else drops
            return peak * training.drop_factor ** sum(step >= drop for drop in at)
        case "linear" | "cosine":
            end = training.schedule_steps or 0
            progress = min(1.0, (step - warmup) / (end - warmup))
            left = 1 - progress if training.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
            return peak * (training.schedule_floor + (1 - training.schedule_floor) * left)


def last_change(training: TrainingSpec, drops: Sequence[int] = ()) -> int | None:
    """Return the step after which the learning rate is 0, so that weights stay as they are; None if it never is.

    No schedule rises again after its warm-up, and a projection does not change projected weights.

    Args:
        drops: as in `learning_rate_at`; without them, a schedule `phase` has not dropped.
    """
    first = training.warmup_steps
    last = max(first, training.schedule_steps or 0, *training.drop_steps, *drops)
    if learning_rate_at(last, training, drops) > 0:
        return None
    return bisect_left(range(last + 1), True, lo=first, key=lambda step: learning_rate_at(step, training, drops) == 0)


def share_of_peak(step: int, training: TrainingSpec, drops: Sequence[int] = ()) -> float:
    """Return the learning rate at a step as a share of its peak, from 0 to 1."""
    return learning_rate_at(step, training, drops) / training.learning_rate


def phase_drops(lines: Sequence[Mapping[str, Any]], training: TrainingSpec) -> tuple[int, ...]:
    """The steps at which the phases of `drop_on` were first on record, in a journal's lines.

    A phase is on record once the evaluations that confirm it have been made: later than the step that it began at.
    Empty but for the schedule `phase`.
    """
    if training.schedule != "phase":
        return ()
    found = (
        next((line["step"] for line in lines if phase_began(line["phases"], drop) is not None), None)
        for drop in training.drop_on
    )
    return tuple(step for step in found if step is not None)


def frozen_roles(lines: Sequence[Mapping[str, Any]], training: TrainingSpec) -> frozenset[Role]:
    """The roles whose weights stay as they are after these lines of a journal, since their phases are on record."""
    if not lines:
        return frozenset()
    phases = lines[-1]["phases"]
    return frozenset(
        role for freeze in training.freeze_on if phase_began(phases, freeze) is not None for role in freeze.roles
    )


def phase_began(phases: Mapping[str, Any], drop: PhaseDrop) -> int | None:
    """The step at which the phase of a drop began, by the phases of one line."""
    step: int | None = phases["memorized"] if drop.split is None else phases[drop.split][drop.phase]
    return step
