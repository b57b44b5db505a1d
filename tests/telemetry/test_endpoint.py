"""The endpoint that Prometheus scrapes, asked by real clients."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.telemetry.endpoint import ANY, Endpoint, MetricsOptions, has_ipv6
from grokcore.telemetry.metrics import METRICS
from grokcore.telemetry.prometheus import Durations, Samples, exposition


def everything() -> Samples:
    """A sample of every metric."""
    samples: Samples = {}
    for metric in METRICS:
        value = Durations(metric.name).read() if metric.kind == "histogram" else 1.0
        samples[(metric.name, *("0.5" for _ in metric.labels))] = value
    return samples


@contextmanager
def endpoint(samples: Samples, *, linger: float | None = None, address: str = "127.0.0.1") -> Iterator[Endpoint]:
    endpoint = Endpoint(MetricsOptions(port=0, address=address, linger=linger), lambda: samples)
    try:
        yield endpoint
    finally:
        endpoint.close()


def scrape(endpoint: Endpoint) -> str:
    with urllib.request.urlopen(endpoint.url, timeout=30) as answer:  # noqa: S310 - http
        text: str = answer.read().decode()
    return text


def test_a_scrape_gets_what_there_is_now() -> None:
    samples: Samples = {("grokking_step",): 7, ("grokking_memorized_step",): None}
    with endpoint(samples) as served:
        assert "grokking_step 7.0\n" in scrape(served)
        assert "grokking_memorized_step NaN\n" in scrape(served)
        samples["grokking_step",] = 8
        assert "grokking_step 8.0\n" in scrape(served)


def test_every_metric_passes_the_linter_with_no_warning() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    text = exposition(everything())
    assert all(f"# HELP {metric.name} {metric.help}\n" in text.decode() for metric in METRICS)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_client_that_never_reads_does_not_keep_others_from_it() -> None:
    with endpoint(everything()) as served:
        port = int(served.url.rpartition(":")[2].removesuffix("/metrics"))
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for client in idle[:10]:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        assert "grokking_step 1.0\n" in scrape(served)
        for client in idle:
            client.close()


def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    with endpoint({}) as first:
        port = int(first.url.rpartition(":")[2].removesuffix("/metrics"))
        with pytest.raises(OSError, match="in use"):
            Endpoint(MetricsOptions(port=port, address="127.0.0.1", linger=None), dict)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_every_address_of_a_pod_is_served(host: str) -> None:
    if host == "[::1]" and not has_ipv6():
        pytest.skip("no IPv6 here")
    with endpoint({("grokking_step",): 1}, address=ANY) as served:
        port = served.url.rpartition(":")[2].removesuffix("/metrics")
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=30) as answer:
            assert b"grokking_step 1.0" in answer.read()


def test_where_there_is_no_ipv6_every_address_of_ipv4_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose kernel has it disabled; the process's own sockets are real."""
    family = socket.AF_INET6

    class WithoutIPv6(socket.socket):
        def __init__(self, kind: int = socket.AF_INET, *others: Any, **more: Any) -> None:
            if kind == family:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(kind, *others, **more)

    monkeypatch.setattr(socket, "socket", WithoutIPv6)
    with endpoint({("grokking_step",): 1}, address=ANY) as served:
        assert served.url.startswith("http://0.0.0.0:")
        assert "grokking_step 1.0\n" in scrape(served)


def test_nobody_is_waited_for_who_has_never_come() -> None:
    with endpoint({}) as served:
        assert not served.linger(lambda: pytest.fail("it waits"))


def test_who_has_scraped_before_gets_the_last_values() -> None:
    with endpoint({("grokking_step",): 1}) as served:
        scrape(served)
        waiting = threading.Event()
        threading.Thread(target=lambda: waiting.wait(30) and scrape(served)).start()
        assert served.linger(lambda: bool(waiting.set()))


def test_a_request_to_stop_ends_the_waiting() -> None:
    with endpoint({}, linger=3600) as served:
        assert not served.linger(lambda: True)


def test_how_long_is_waited_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKCORE_METRICS_PORT", "0")
    monkeypatch.setenv("GROKCORE_METRICS_LINGER", "2.5")
    monkeypatch.setenv("GROKCORE_METRICS_ADDRESS", "::")
    assert MetricsOptions.from_environment() == MetricsOptions(0, "::", 2.5)


@pytest.mark.parametrize("port", ["", "off"])
def test_it_is_off_unless_it_is_asked_for(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKCORE_METRICS_PORT", port)
    assert MetricsOptions.from_environment() is None


def test_of_several_processes_only_the_first_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKCORE_METRICS_PORT", "0")
    monkeypatch.setenv("RANK", "1")
    assert MetricsOptions.from_environment() is None
    monkeypatch.setenv("RANK", "0")
    assert MetricsOptions.from_environment() is not None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GROKCORE_METRICS_PORT", "http"),
        ("GROKCORE_METRICS_PORT", "-1"),
        ("GROKCORE_METRICS_PORT", "65536"),
        ("GROKCORE_METRICS_LINGER", "soon"),
        ("GROKCORE_METRICS_LINGER", "-1"),
        ("GROKCORE_METRICS_LINGER", "nan"),
    ],
)
def test_what_the_environment_says_wrongly_is_told_in_a_line(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROKCORE_METRICS_PORT", "0")
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=f"^{variable}='{value}' is not .*give"):
        MetricsOptions.from_environment()
