"""Contenders that never trained: times to grok drawn from a log-normal, seen on a grid of evaluations."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from grokcore.champions import Challenger, SeedResult

BUDGET = 20_000


def _grid() -> list[int]:
    steps = [0]
    while steps[-1] < BUDGET:
        steps.append(min(BUDGET, max(steps[-1] + 1, min(int(steps[-1] * 1.2), steps[-1] + 1000))))
    return steps


GRID = _grid()


def seed_result(number: int, name: str, time: float, accuracy: float | None = 0.995, **changes: Any) -> SeedResult:
    """A run of a budget of 20,000 steps that would grok at step `time`."""
    reached = time <= BUDGET
    place = bisect_left(GRID, time) if reached else len(GRID) - 1
    known = {
        "seed": number,
        "init_seed": number,
        "order_seed": number,
        "run_id": f"{name}-{number}",
        "steps": GRID[place],
        "after": GRID[place - 1] if reached and place else None,
        "reached": reached,
        "accuracy": accuracy,
        "ended": True,
        "finite": True,
    }
    return SeedResult.model_validate({**known, **changes})


def challenger(
    times: Sequence[float],
    accuracies: Sequence[float | None] | float = 0.995,
    *,
    name: str = "champion",
    first_seed: int = 0,
    **changes: Any,
) -> Challenger:
    if isinstance(accuracies, float):
        accuracies = [accuracies] * len(times)
    results = [
        seed_result(first_seed + number, name, time, accuracy)
        for number, (time, accuracy) in enumerate(zip(times, accuracies, strict=True))
    ]
    known = {
        "name": name,
        "split": "test_inferred_ood",
        "threshold": 0.99,
        "task_id": "task",
        "evaluation_id": "evaluation",
        "dataset_id": "dataset",
        "experiment_id": name,
        "seeds": tuple(results),
    }
    return Challenger.model_validate({**known, **changes})


def times(generator: np.random.Generator, seeds: int, *, median: float = 3000, sigma: float = 0.25) -> list[float]:
    return [float(time) for time in median * np.exp(sigma * generator.normal(size=seeds))]


def accuracies(generator: np.random.Generator, seeds: int, *, mean: float = 0.995, sigma: float = 0.003) -> list[float]:
    return [float(value) for value in np.clip(generator.normal(mean, sigma, seeds), 0, 1)]
