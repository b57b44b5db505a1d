"""A pipeline's last success and failure, pushed to a real Pushgateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from grokcore.telemetry.pushgateway import FAILURE, SUCCESS, push_failure, push_success, schedule_of
from tests.servers.process import free_port
from tests.servers.prometheus import Pushgateway

PIPELINE = "grokking-experiment"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushgateway]:
    with Pushgateway(tmp_path_factory.mktemp("pushgateway")).running() as gateway:
        yield gateway


@pytest.fixture
def gateway(
    server: Pushgateway, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[], dict[tuple[str, str], float]]:
    """Values by metric and schedule, of a namespace that only this test pushes to."""
    namespace = request.node.name.split("[")[0].replace("_", "-")
    monkeypatch.setenv("GROKCORE_PUSHGATEWAY", server.address)
    monkeypatch.setenv("GROKCORE_PIPELINE", PIPELINE)
    monkeypatch.setenv("GROKCORE_NAMESPACE", namespace)

    def pushed() -> dict[tuple[str, str], float]:
        samples = [one for family in text_string_to_metric_families(server.metrics()) for one in family.samples]
        ours = [one for one in samples if one.labels.get("namespace") == namespace and one.name.startswith("grokking_")]
        assert all(one.labels["pipeline"] == PIPELINE for one in ours)
        return {(one.name, one.labels.get("schedule", "")): one.value for one in ours}

    return pushed


def test_each_success_takes_the_place_of_the_one_before(gateway: Any) -> None:
    push_success(pytest.fail)
    first = gateway()
    push_success(pytest.fail)
    second = gateway()
    assert first.keys() == second.keys() == {(SUCCESS, "")}
    assert second[SUCCESS, ""] > first[SUCCESS, ""] > 1.7e9


def test_schedules_of_one_pipeline_do_not_replace_each_other(gateway: Any) -> None:
    push_success(pytest.fail, schedule="nightly")
    nightly = gateway()[SUCCESS, "nightly"]
    push_success(pytest.fail, schedule="weekly")
    assert gateway()[SUCCESS, "weekly"] > gateway()[SUCCESS, "nightly"] == nightly


def test_a_failure_leaves_the_last_success_known(gateway: Any) -> None:
    push_success(pytest.fail, schedule="nightly")
    push_failure(pytest.fail, schedule="nightly")
    assert gateway()[FAILURE, "nightly"] > gateway()[SUCCESS, "nightly"]


def test_a_run_whose_success_was_pushed_has_not_failed(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKCORE_RUN_KEY", "run-1")
    push_success(pytest.fail, schedule="nightly")
    push_failure(pytest.fail, schedule="nightly")
    assert (FAILURE, "nightly") not in gateway()
    push_failure(pytest.fail, schedule="weekly")
    assert (FAILURE, "weekly") in gateway()
    monkeypatch.setenv("GROKCORE_RUN_KEY", "run-2")
    push_failure(pytest.fail, schedule="nightly")
    assert gateway()[FAILURE, "nightly"] > gateway()[SUCCESS, "nightly"]


@pytest.mark.parametrize("push", [push_success, push_failure])
@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "http://no such host"])
def test_a_gateway_that_is_not_there_is_a_line(address: str, push: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.telemetry.sinks.FAILURES._warned", set())
    monkeypatch.setenv("GROKCORE_PIPELINE", PIPELINE)
    monkeypatch.setenv("GROKCORE_PUSHGATEWAY", address.format(port=free_port()))
    said: list[str] = []
    push(said.append)
    assert len(said) == 1
    outcome = push.__name__.removeprefix("push_")
    assert said[0].startswith(f"the {outcome} of {PIPELINE} could not be pushed to the Pushgateway: ")
    assert "\n" not in said[0]


@pytest.mark.parametrize("missing", ["GROKCORE_PUSHGATEWAY", "GROKCORE_PIPELINE"])
def test_nothing_is_told_unless_a_gateway_and_a_pipeline_are_named(
    gateway: Any, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(missing)
    push_success(pytest.fail)
    push_failure(pytest.fail)
    assert gateway() == {}


@pytest.mark.parametrize(
    ("run_name", "schedule"),
    [
        ("nightly-a7k2xz-12-1396494570", "nightly-a"),
        ("nightly-a7k2xz-12-1396494571", ""),
        ("grokking-experiment demo 1c5d20cd03f3 0d39bfb1 5fd2a1c0", ""),
        ("grokking-experiment-x7f2q", ""),
        ("", ""),
    ],
)
def test_the_schedule_is_known_from_the_name_that_kubeflow_gives_its_runs(run_name: str, schedule: str) -> None:
    assert schedule_of(run_name) == schedule
