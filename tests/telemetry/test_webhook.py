"""Messages reach a real server, once; a server that does not behave costs nothing but a line."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.telemetry.webhook import URL_VARIABLE, Webhook, webhook_url
from tests.servers.webhooks import Receiver, receiver
from tests.support.checks import wait_until

QUICK = {"pauses": (0.01, 0.01), "timeout": 5.0}


class Failures:
    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> None:
        self.number += 1


def deliver(url: str, messages: int = 1, *, seconds: float = 30.0, **options: Any) -> tuple[Webhook, Failures]:
    failures = Failures()
    webhook = Webhook(url, on_failure=failures, **{**QUICK, **options})
    for number in range(messages):
        webhook.send({"number": number})
    webhook.close(seconds)
    return webhook, failures


def test_messages_come_once_each_and_in_their_order() -> None:
    with receiver() as server:
        webhook, failures = deliver(server.url, 5)
    assert server.messages == [{"number": number} for number in range(5)]
    assert set(server.paths) == {Receiver.SECRET}
    assert (webhook.problem, failures.number) == (None, 0)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    with receiver(lambda number: (status if number < 2 else 204, {})) as server:
        webhook, failures = deliver(server.url)
    assert server.messages == [{"number": 0}] * 3
    assert (webhook.problem, failures.number) == (None, 0)


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (404, 1), (410, 1), (500, 3)])
def test_a_refusal_is_one_line_and_counted_per_message(status: int, attempts: int) -> None:
    with receiver(lambda number: (status, {})) as server:
        webhook, failures = deliver(server.url, 2)
    assert len(server.messages) == 2 * attempts
    assert webhook.problem == f"its server answered {status}"
    assert failures.number == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with receiver() as other, receiver(lambda number: (status, {"Location": other.url})) as server:
        webhook, failures = deliver(server.url)
    assert len(server.messages) == 1
    assert other.messages == []
    assert webhook.problem == f"its server redirects ({status}), which is not followed"
    assert failures.number == 1


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        webhook, failures = deliver(f"http://localhost:{taken.getsockname()[1]}/s3cr3t")
    assert webhook.problem == "its server refuses connections"
    assert failures.number == 1


def test_a_server_that_takes_and_never_answers_holds_up_nobody_and_is_given_up_at_the_end() -> None:
    release = threading.Event()

    def answer(number: int) -> tuple[int, dict[str, str]]:
        release.wait(60)
        return 200, {}

    failures, delivered = Failures(), []
    with receiver(answer) as server:
        webhook = Webhook(server.url, on_failure=failures, capacity=4)
        webhook.send({"number": 0}, lambda: delivered.append(0))
        server.wait(1)
        before = threading.active_count()
        for number in range(1, 10_001):
            webhook.send({"number": number})  # would take days, if any waited
        assert threading.active_count() == before
        assert failures.number == 9996
        webhook.close(0.05)
        assert failures.number == 10_001
        assert webhook.problem is not None
        release.set()
    assert len(server.messages) == 1
    assert delivered == []


def test_a_server_that_does_not_answer_in_time_is_asked_again() -> None:
    release = threading.Event()

    def answer(number: int) -> tuple[int, dict[str, str]]:
        if number == 0:
            release.wait(60)
        return 200, {}

    with receiver(answer) as server:
        webhook, _ = deliver(server.url, timeout=0.2)
        release.set()
    assert len(server.messages) == 2
    assert webhook.problem is None


def test_https_is_spoken_and_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(tls=tmp_path) as server:
        refused, _ = deliver(server.url)
        assert server.messages == []
        assert refused.problem == "the certificate of its server is not trusted"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        trusted, _ = deliver(server.url)
    assert trusted.problem is None
    assert server.messages == [{"number": 0}]


@pytest.mark.parametrize(
    "url", ["https://hooks.example/s3cr3t", "http://localhost:8000/s3cr3t", "http://127.0.0.1/", "http://[::1]:80/x"]
)
def test_https_goes_anywhere_and_http_stays_on_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, url)
    assert webhook_url() == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/s3cr3t",
        "http://localhost.example/s3cr3t",
        "ftp://localhost/s3cr3t",
        "file:///s3cr3t",
        "s3cr3t",
        "https:///s3cr3t",
        "https://host:port/s3cr3t",
        "https://user:s3cr3t@host/",
        "https://[host/s3cr3t",
        "https://host/s3cr3t with blanks",
        "https://host/s3cr3t\nHeader: x",
        "https://höst/s3cr3t",
    ],
)
def test_anything_else_is_one_line_that_does_not_repeat_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, url)
    with pytest.raises(InputError, match=URL_VARIABLE) as caught:
        webhook_url()
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_without_a_url_there_is_no_webhook(nothing: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    if nothing is not None:
        monkeypatch.setenv(URL_VARIABLE, nothing)
    assert webhook_url() is None


def test_close_waits_for_the_pause_between_attempts_no_longer_than_it_was_told() -> None:
    with receiver(lambda number: (503, {})) as server:
        failures = Failures()
        webhook = Webhook(server.url, on_failure=failures, pauses=(3600.0,))
        webhook.send({})
        server.wait(1)
        webhook.close(0.01)
        wait_until(lambda: not any(thread.name == "webhook" for thread in threading.enumerate()))
    assert failures.number == 1
    assert len(server.messages) == 1
