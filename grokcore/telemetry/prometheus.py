"""Samples of metrics: combined over seeds, and in Prometheus' text format."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median, median_high, median_low
from typing import TYPE_CHECKING, Any

from grokcore.telemetry.metrics import BY_NAME, METRICS, QUANTILES, Metric

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family


@dataclass(frozen=True)
class Distribution:
    """The state of a histogram: observations per bucket, the one above all bounds last, and their sum."""

    counts: tuple[int, ...]
    total: float


Key = tuple[str, ...]
"""The name of a metric, then the values of its labels."""

Value = float | Distribution | None
"""None is exposed as NaN."""

Samples = dict[Key, Value]

SEVERAL = "several"
"""The value of a label of `grokking_run_info` that differs from seed to seed."""


class Durations:
    """A histogram of seconds, which one thread adds to and any may read."""

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
    """Combine the samples of all seeds into one set; for several seeds with the spread of their accuracies."""
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
    if metric.over_seeds == "least":
        return min(known)
    return median(known) if metric.over_seeds == "median" else max(known)


def _reached_by_half(metric: Metric, values: Sequence[Value]) -> Value:
    """Combine a flag (whether at least half of the seeds have it) or a step (by which at least half reached it)."""
    if not metric.name.endswith("_step"):
        return median_high(value or 0.0 for value in values if not isinstance(value, Distribution))
    step = median_low(
        float("inf") if value is None else value for value in values if not isinstance(value, Distribution)
    )
    return None if step == float("inf") else step


def _agreed(keys: Sequence[Key]) -> Iterable[Key]:
    """Merge keys into one, whose labels are `several` where they differ."""
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
    """Encode samples as JSON: [key, value], a distribution as [counts, total]."""
    return [
        [list(key), [list(value.counts), value.total] if isinstance(value, Distribution) else value]
        for key, value in samples.items()
    ]


def decode(message: Iterable[Any]) -> Samples:
    return {
        tuple(key): Distribution(tuple(value[0]), value[1]) if isinstance(value, list) else value
        for key, value in message
    }


FINAL = "metrics.prom"
"""File in the run's directory with the last values of its metrics."""


def registry_of(read: Callable[[], Samples]) -> CollectorRegistry:
    """Make a registry that reads the samples at every scrape.

    Raises:
        ModuleNotFoundError: prometheus_client is not installed.
    """
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(read))
    return registry


def exposition(samples: Samples) -> bytes:
    """Format samples in Prometheus' text format.

    Raises:
        ModuleNotFoundError: prometheus_client is not installed.
    """
    from prometheus_client import generate_latest

    return generate_latest(registry_of(lambda: samples))


class _Collector:
    def __init__(self, read: Callable[[], Samples]) -> None:
        self._read = read

    def describe(self) -> list[Family]:
        """Describe nothing in advance: the metrics of a run are read at every scrape."""
        return []

    def collect(self) -> Iterator[Family]:
        samples = self._read()
        for metric in METRICS:
            found = {key: value for key, value in samples.items() if key[0] == metric.name}
            if found:
                yield _family(metric, found)


def _family(metric: Metric, samples: Mapping[Key, Value]) -> Family:
    from prometheus_client import core

    if metric.kind == "info":
        info = core.InfoMetricFamily(metric.name.removesuffix("_info"), metric.help)
        for _, *labels in samples:
            info.add_metric([], dict(zip(metric.labels, labels, strict=True)))
        return info
    if metric.kind == "histogram":
        histogram = core.HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for (_, *labels), value in samples.items():
            if isinstance(value, Distribution):
                bounds = [*(str(bound) for bound in metric.buckets), "+Inf"]
                cumulated = list(zip(bounds, map(float, accumulate(value.counts)), strict=True))
                histogram.add_metric(labels, cumulated, value.total)
        return histogram
    if metric.kind == "summary":  # of quantiles alone: a sum over seeds would mean nothing
        summary = core.Metric(metric.name, metric.help, "summary")
        for (_, *labels), value in samples.items():
            if isinstance(value, int | float):
                summary.add_sample(metric.name, dict(zip(metric.labels, labels, strict=True)), value)
        return summary
    family = core.CounterMetricFamily if metric.kind == "counter" else core.GaugeMetricFamily
    numbers = family(metric.name, metric.help, labels=metric.labels)
    for (_, *labels), value in samples.items():
        numbers.add_metric(labels, value if isinstance(value, int | float) else math.nan)
    return numbers
