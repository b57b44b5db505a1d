"""Many clients, slow ones, and a process without files to spare: the endpoint stays small, and goes on serving."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from grokcore.telemetry.endpoint import BURST, MOST_CONNECTIONS, PER_SECOND, BoundedServer, Endpoint
from tests.faults.dying import in_child
from tests.telemetry.test_endpoint import endpoint, scrape

ROW = "slow or many clients of the metrics endpoint"
CLIENTS = 200


@contextmanager
def clients(served: Endpoint, number: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections that have sent `said`, and send nothing more."""
    address = ("127.0.0.1", int(served.url.rpartition(":")[2].partition("/")[0]))
    with ExitStack() as stack:
        made = []
        for _ in range(number):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
            made.append(client)
        if said:
            for client in made:
                try:
                    client.send(said)
                except OSError:
                    continue
        yield made


def files_open() -> int:
    return len(os.listdir("/proc/self/fd"))


def scrapers() -> int:
    return sum(thread.name == "scrape" for thread in threading.enumerate())


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("said", [b"", b"GET /metrics HTTP/1.1\r\nX-Slow: "])
def test_many_silent_clients_take_few_files_and_threads(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.telemetry.endpoint.PER_SECOND", 1000)
    with endpoint({("grokking_step",): 7}) as served:
        before = files_open()
        with clients(served, CLIENTS, said):
            most_files = most_threads = 0
            for _ in range(20):
                time.sleep(0.05)
                most_files = max(most_files, files_open() - before - CLIENTS)
                most_threads = max(most_threads, scrapers())
            assert 0 < most_threads <= 2 * MOST_CONNECTIONS
            assert most_files <= 2 * MOST_CONNECTIONS
            assert "grokking_step 7.0\n" in scrape(served), "a scrape among them is answered"


@pytest.mark.fault(ROW, 1)
def test_a_client_that_says_one_letter_at_a_time_is_dropped_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.telemetry.endpoint.CLIENT_SECONDS", 1.0)
    with endpoint({}) as served, clients(served, 1) as (client,):
        begin = time.monotonic()
        client.setblocking(True)
        with suppress(ConnectionResetError, BrokenPipeError):
            while time.monotonic() - begin < 30:
                client.send(b"G")
                time.sleep(0.05)
        assert time.monotonic() - begin < 10


@pytest.mark.fault(ROW, 1)
def test_a_flood_of_connections_is_answered_at_a_bounded_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = 0
    answer = BoundedServer.process_request

    def count(self: BoundedServer, request: object, address: object) -> None:
        nonlocal answered
        answered += 1
        answer(self, request, address)

    monkeypatch.setattr(BoundedServer, "process_request", count)
    with endpoint({}) as served:
        begin = time.monotonic()
        while time.monotonic() - begin < 2:
            with clients(served, 20, b"GET /metrics HTTP/1.0\r\n\r\n"):
                time.sleep(0.01)
        seconds = time.monotonic() - begin
    assert 0 < answered <= BURST + PER_SECOND * (seconds + 1)


@pytest.mark.fault(ROW, 1)
def test_without_a_file_to_spare_the_endpoint_waits_and_then_serves_again(tmp_path: Path) -> None:
    def work() -> None:
        pauses = 0

        with endpoint({("grokking_step",): 7}) as served:
            pause = served._server._sleep

            def counted(seconds: float) -> None:
                nonlocal pauses
                pauses += 1
                pause(seconds)

            served._server._sleep = counted
            with clients(served, 2):
                limit = files_open() + 1
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
                taken = []
                with suppress(OSError):  # too many open files
                    while True:
                        taken.append(open(os.devnull))  # noqa: SIM115 - all that there are
                time.sleep(1.5)
                for file in taken:
                    file.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            assert "grokking_step 7.0\n" in scrape(served)
            assert pauses < 20, "it does not spin"

    assert in_child(work) == 0


@pytest.mark.fault(ROW, 1)
def test_training_has_files_to_spare_beside_a_crowd_of_clients(tmp_path: Path) -> None:
    """Under a limit that as many connections would have used up."""

    def work() -> None:
        limit = files_open() + CLIENTS + 100
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with endpoint({}) as served, clients(served, CLIENTS):
            for number in range(50):
                (tmp_path / f"{number}").write_text("")
                time.sleep(0.01)

    assert in_child(work) == 0
