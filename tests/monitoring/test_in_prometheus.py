"""Every rule and every query of a dashboard, evaluated by a real Prometheus over all metrics that there are."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

import pytest
import yaml

from grokcore.telemetry import pushgateway
from grokcore.telemetry.endpoint import Endpoint, MetricsOptions
from grokcore.telemetry.metrics import METRICS, PHASES
from grokcore.telemetry.prometheus import Distribution, Samples
from tests.monitoring.cluster import POD, exporter
from tests.monitoring.files import dashboard_queries, rule_files, rules
from tests.servers.prometheus import Prometheus

VALUES = {"split": ("train", "ood_test"), "phase": PHASES, "quantile": ("0", "0.5", "1")}
NEVER_CHOSEN = (pushgateway.SUCCESS, pushgateway.SUCCESS_RUN, pushgateway.FAILURE)
"""Pushed, not exposed."""


def samples() -> Samples:
    """A value of every metric for some labels, those of counters growing."""
    now = time.time()
    found: Samples = {}
    for metric in METRICS:
        if metric.name in NEVER_CHOSEN:
            continue
        for labels in itertools.product(*(VALUES.get(label, ("sustained",)) for label in metric.labels)):
            counts = tuple(int(now) + index for index in range(len(metric.buckets) + 1))
            value = now if metric.kind == "counter" else 0.5
            found[metric.name, *labels] = Distribution(counts, now) if metric.kind == "histogram" else value
    return {**found, ("grokking_last_step_timestamp_seconds",): now, ("grokking_max_steps",): 2 * now}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server with our rules, evaluated each second, that has scraped some of every metric."""
    folder = tmp_path_factory.mktemp("prometheus")
    paths = []
    for path in rule_files():
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            group["interval"] = "1s"
        paths.append(folder / path.name)
        paths[-1].write_text(yaml.safe_dump(document))
    endpoint = Endpoint(MetricsOptions(0, "127.0.0.1", 0.0), samples)
    target = endpoint.url.removeprefix("http://").removesuffix("/metrics")
    try:
        with exporter() as others:
            server = Prometheus(folder / "server", target, rules=paths, labels=POD, others=others)
            with server.running():
                server.wait_until(lambda: _has_rates(server))
                # Twice since then: a rule may read what a rule of another group has recorded.
                evaluated_twice = datetime.now(UTC) + timedelta(seconds=1)
                server.wait_until(lambda: _have_been_evaluated(server, evaluated_twice))
                yield server
    finally:
        endpoint.close()


def _has_rates(server: Prometheus) -> bool:
    """Whether there are rates, which need two scrapes, of both targets, which are scraped at different times."""
    rates = ("rate(grokking_train_steps_total[5m]) > 0", "rate(container_cpu_usage_seconds_total[5m]) > 0")
    try:
        return all(server.query(rate) for rate in rates)
    except HTTPError:  # it reads its own storage still
        return False


def _have_been_evaluated(server: Prometheus, since: datetime) -> bool:
    return all(datetime.fromisoformat(rule["lastEvaluation"]) > since for rule in _states(server))


def _states(server: Prometheus) -> list[dict[str, str]]:
    return [rule for group in server.get("rules")["groups"] for rule in group["rules"]]


def test_every_rule_is_evaluated_without_error(prometheus: Prometheus) -> None:
    states = _states(prometheus)
    assert len(states) == len(rules())
    assert [(rule["name"], rule.get("lastError")) for rule in states if rule["health"] != "ok"] == []


def test_every_query_of_a_dashboard_has_an_answer(prometheus: Prometheus) -> None:
    found = list(dashboard_queries())
    assert len(found) > 40
    chosen = {"run": "sustained", "split": "ood_test", "namespace": ".*", "task": ".*", "architecture": ".*"}
    empty = []
    for place, query in found:
        for name, value in chosen.items():
            query = query.replace(f"${name}", value)  # as Grafana does
        assert "$" not in query, f"{place}: a variable that the dashboard has not"
        if not prometheus.query(query):
            empty.append(f"{place}: {query}")
    assert not empty, "\n".join(empty)
