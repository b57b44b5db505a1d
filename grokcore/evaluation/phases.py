"""When a curve has memorized, begun to generalize, sustained it, or lost it again.

Pure functions of a recorded curve: `accuracy` and `steps` are sequences of equal length, one entry per evaluation,
steps ascending. Each answers with the index of an evaluation, or None while the event has not been observed: a run that
ends first is right-censored there. The change itself lies between the evaluation before and the one returned.
"""

from __future__ import annotations

from collections.abc import Sequence

Curve = Sequence[float | None]
"""Accuracies in [0, 1]; None where the model's output was not finite."""


def first_crossing(accuracy: Curve, *, threshold: float = 0.99) -> int | None:
    """The first evaluation that reaches the threshold. Often an early peak that dips again."""
    return next((index for index, value in enumerate(accuracy) if reaches(value, threshold)), None)


def sustained(
    accuracy: Curve,
    steps: Sequence[int],
    *,
    threshold: float = 0.99,
    sustain: int = 3,
    window: float = 1.1,
    start: int = 0,
) -> int | None:
    """The first evaluation, from index `start`, from which the threshold is held.

    Held at step t means: every evaluation in [t, window * t], and at least `sustain` in a row, reaches it. While the
    curve ends before window * t, t is not yet confirmed.
    """
    run_start: int | None = None
    for index in range(start, len(steps)):
        if not reaches(accuracy[index], threshold):
            run_start = None
            continue
        if run_start is None:
            run_start = index
        if index - run_start + 1 >= sustain and steps[index] >= window * steps[run_start]:
            return run_start
    return None


def stable(accuracy: Curve, *, threshold: float = 0.99, stable_threshold: float = 0.95, sustain: int = 3) -> int | None:
    """The first evaluation that reaches the threshold and is never followed by one below `stable_threshold`.

    At least `sustain` evaluations must have been seen from there on.
    """
    lowest_allowed = 0
    for index in range(len(accuracy) - 1, -1, -1):
        if not reaches(accuracy[index], stable_threshold):
            lowest_allowed = index + 1
            break
    for index in range(lowest_allowed, len(accuracy)):
        if reaches(accuracy[index], threshold):
            return index if len(accuracy) - index >= sustain else None
    return None


def onset(
    accuracy: Curve,
    steps: Sequence[int],
    memorized: int | None,
    *,
    rise: float = 0.05,
    sustain: int = 3,
    window: float = 1.1,
) -> int | None:
    """The first evaluation after memorisation from which accuracy stays `rise` above its value at memorisation."""
    if memorized is None:
        return None
    base = accuracy[memorized]
    if base is None or base + rise > 1:
        return None
    return sustained(accuracy, steps, threshold=base + rise, sustain=sustain, window=window, start=memorized + 1)


def collapsed(accuracy: Curve, held: int | None, *, stable_threshold: float = 0.95, sustain: int = 3) -> int | None:
    """The first of `sustain` evaluations in a row, after the threshold was held from `held` on, below the floor."""
    if held is None:
        return None
    below = 0
    for index in range(held + 1, len(accuracy)):
        below = 0 if reaches(accuracy[index], stable_threshold) else below + 1
        if below == sustain:
            return index - sustain + 1
    return None


def reaches(value: float | None, threshold: float) -> bool:
    """Whether an accuracy is at least the threshold; one that was not finite never is."""
    # A share of n examples is computed in floating point: .99 of 3000 must count as .99.
    return value is not None and value >= threshold - 1e-9
