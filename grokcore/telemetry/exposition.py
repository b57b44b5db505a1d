"""Samples in Prometheus' text format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from grokcore.telemetry.metrics import METRICS, Metric
from grokcore.telemetry.samples import Distribution, Key, Samples, Value

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

FINAL = "metrics.prom"
"""What a run's metrics were at its end; in the run's directory."""


def registry_of(read: Callable[[], Samples]) -> CollectorRegistry:
    """A registry that reads the samples when it is asked, and holds nothing else.

    Raises:
        ModuleNotFoundError: prometheus_client is not installed.
    """
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(read))
    return registry


def exposition(samples: Samples) -> bytes:
    """The text that a scrape gets.

    Raises:
        ModuleNotFoundError: prometheus_client is not installed.
    """
    from prometheus_client import generate_latest

    return generate_latest(registry_of(lambda: samples))


class _Collector:
    def __init__(self, read: Callable[[], Samples]) -> None:
        self._read = read

    def describe(self) -> list[Family]:
        """Nothing: what there is depends on the run, and is read at every scrape."""
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
