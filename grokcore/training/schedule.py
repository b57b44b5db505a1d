"""The learning rate at a step: a pure function, so that a resumed run needs no schedule state."""

from __future__ import annotations

import math

from grokcore.spec import TrainingSpec


def learning_rate_at(step: int, training: TrainingSpec) -> float:
    """Learning rate of the optimiser step that follows `step` completed ones.

    Linear warm-up from 0 over `warmup_steps`, then by `schedule`: constant; linear or cosine (arXiv 1608.03983,
    without restarts) down to `schedule_floor` at `schedule_steps`, and flat from there; or multiplied by `drop_factor`
    at each of `drop_steps`.
    """
    peak, warmup = training.learning_rate, training.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    match training.schedule:
        case "constant":
            return peak
        case "step":
            return peak * training.drop_factor ** sum(step >= drop for drop in training.drop_steps)
        case "linear" | "cosine":
            end = training.schedule_steps or 0
            progress = min(1.0, (step - warmup) / (end - warmup))
            left = 1 - progress if training.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
            return peak * (training.schedule_floor + (1 - training.schedule_floor) * left)
