"""Values of metrics at one moment, and how those of several seeds become one set."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, median_high, median_low
from typing import Any

from grokcore.telemetry.metrics import BY_NAME, QUANTILES, Metric


@dataclass(frozen=True)
class Distribution:
    """What a histogram has counted: observations per bucket, the one above all bounds last, and their sum."""

    counts: tuple[int, ...]
    total: float


Key = tuple[str, ...]
"""The name of a metric, then the values of its labels."""

Value = float | Distribution | None
"""None stands for a number that there is not: NaN."""

Samples = dict[Key, Value]

SEVERAL = "several"
"""The value of a label of `grokking_run_info` that differs from seed to seed."""


class Durations:
    """A histogram of seconds. One thread adds to it, any may read it."""

    def __init__(self, metric: str) -> None:
        self._bounds = BY_NAME[metric].buckets
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += times
        self._total += seconds * times

    def read(self) -> Distribution:
        return Distribution(tuple(self._counts), self._total)


def combine(parts: Sequence[Samples]) -> Samples:
    """One set of samples for all seeds; of several, with the spread of their accuracies beside it."""
    if len(parts) == 1:
        return dict(parts[0])
    together: Samples = {}
    for key in dict.fromkeys(key for part in parts for key in part):
        metric = BY_NAME[key[0]]
        if metric.over_seeds != "agreed":
            together[key] = _over_seeds(metric, [part[key] for part in parts if key in part])
    infos = [key for part in parts for key in part if BY_NAME[key[0]].over_seeds == "agreed"]
    return {**dict.fromkeys(_agreed(infos), 1.0), **together, **_spread(parts)}


def _over_seeds(metric: Metric, values: Sequence[Value]) -> Value:
    if metric.kind == "histogram":
        found = [value for value in values if isinstance(value, Distribution)]
        counts = tuple(map(sum, zip(*(value.counts for value in found), strict=True)))
        return Distribution(counts, sum(value.total for value in found))
    known = [value for value in values if isinstance(value, int | float)]
    if metric.over_seeds == "half":
        return _reached_by_half(metric, values)
    if not known:
        return None
    if metric.over_seeds == "sum":
        return sum(known)
    return median(known) if metric.over_seeds == "median" else max(known)


def _reached_by_half(metric: Metric, values: Sequence[Value]) -> Value:
    """A flag that at least half of the seeds show; the step by which at least half have come to something."""
    if not metric.name.endswith("_step"):
        return median_high(value or 0.0 for value in values if not isinstance(value, Distribution))
    step = median_low(
        float("inf") if value is None else value for value in values if not isinstance(value, Distribution)
    )
    return None if step == float("inf") else step


def _agreed(keys: Sequence[Key]) -> Iterable[Key]:
    """One key of all, whose labels say `several` where they differ."""
    if keys:
        yield tuple(column[0] if len(set(column)) == 1 else SEVERAL for column in zip(*keys, strict=True))


def _spread(parts: Sequence[Samples]) -> Samples:
    found: dict[str, list[float]] = {}
    for part in parts:
        for key, value in part.items():
            if key[0] == "grokking_accuracy_ratio" and isinstance(value, int | float):
                found.setdefault(key[1], []).append(value)
    return {
        ("grokking_replica_accuracy_ratio", split, f"{quantile:g}"): value
        for split, values in found.items()
        for quantile, value in zip(QUANTILES, (min(values), median(values), max(values)), strict=True)
    }


def encode(samples: Samples) -> list[Any]:
    """As JSON has it: [key, value], where a distribution is [counts, total]."""
    return [
        [list(key), [list(value.counts), value.total] if isinstance(value, Distribution) else value]
        for key, value in samples.items()
    ]


def decode(message: Iterable[Any]) -> Samples:
    return {
        tuple(key): Distribution(tuple(value[0]), value[1]) if isinstance(value, list) else value
        for key, value in message
    }
