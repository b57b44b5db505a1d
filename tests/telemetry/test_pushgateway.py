"""A pipeline's last success, pushed to a real Pushgateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grokcore.telemetry.prometheus import push_success
from tests.servers.process import free_port
from tests.servers.prometheus import Pushgateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushgateway]:
    with Pushgateway(tmp_path_factory.mktemp("pushgateway")).running() as gateway:
        yield gateway


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GROKCORE_PIPELINE", "grokking-experiment")
    return "grokking-experiment"


def pushed(gateway: Pushgateway) -> list[str]:
    name = "grokking_pipeline_last_success_timestamp_seconds{"
    return [line for line in gateway.metrics().splitlines() if line.startswith(name)]


def test_each_success_takes_the_place_of_the_one_before(
    gateway: Pushgateway, pipeline: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GROKCORE_PUSHGATEWAY", gateway.address)
    push_success(pytest.fail)
    [first] = pushed(gateway)
    assert f'pipeline="{pipeline}"' in first
    push_success(pytest.fail)
    [second] = pushed(gateway)
    assert float(second.split()[-1]) > float(first.split()[-1]) > 1.7e9


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "http://no such host"])
def test_a_gateway_that_is_not_there_is_a_line(address: str, pipeline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.telemetry.sinks.FAILURES._warned", set())
    monkeypatch.setenv("GROKCORE_PUSHGATEWAY", address.format(port=free_port()))
    said: list[str] = []
    push_success(said.append)
    assert len(said) == 1
    assert said[0].startswith("the success of grokking-experiment could not be pushed to the Pushgateway: ")
    assert "\n" not in said[0]


def test_nothing_is_told_unless_a_gateway_and_a_pipeline_are_named(
    gateway: Pushgateway, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pushed(gateway)
    push_success(pytest.fail)
    monkeypatch.setenv("GROKCORE_PUSHGATEWAY", gateway.address)
    monkeypatch.delenv("GROKCORE_PIPELINE")
    push_success(pytest.fail)
    assert pushed(gateway) == before
