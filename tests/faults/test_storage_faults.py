"""Object storage that fails: an operation ends as it should after all, or with one line and nothing half done.

All pairs of fault and operation where `--tries` is given, otherwise some of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import botocore.endpoint
import pytest

from grokcore.errors import GrokcoreError, TransientError
from grokcore.storage.s3 import S3Store
from grokcore.storage.s3_connection import Connection, S3Settings
from tests.faults.proxy import Fault, Kind, Proxy
from tests.faults.storage_cases import CASES, ERRORS, NEW, OLD, SOME_CASES, Case
from tests.servers.fixtures import Bucket
from tests.support.extended import mostly_extended

IMPATIENT = S3Settings(connect_timeout=5, read_timeout=1, attempts=3, patience=0, part_size=5 << 20)


@pytest.fixture(scope="module")
def proxy(bucket: Bucket) -> Iterator[Proxy]:
    proxy = Proxy(bucket.gateway.port)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between attempts are a hundredth of what they are."""
    brief = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=lambda seconds: time.sleep(seconds / 100))
    monkeypatch.setattr(botocore.endpoint, "time", brief)
    monkeypatch.setattr("grokcore.storage.s3_connection.time", brief)


@pytest.fixture(scope="module")
def without_proxy() -> Connection:
    """To be used in no other environment than that of the first test: it makes its client when it is first used."""
    return Connection(S3Settings())


@pytest.fixture
def direct(s3_uri: str, without_proxy: Connection) -> S3Store:
    """A store that holds two files, by a client that has no proxy before it."""
    store = S3Store(s3_uri, without_proxy)
    store.write("runs/1/file", OLD)
    store.write("runs/10/file", OLD)
    return store


@pytest.fixture
def through(direct: S3Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    """The same store, by a client of its own behind the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
    yield S3Store(direct.uri, Connection(IMPATIENT))
    proxy.heal()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--tries", None) is not None
        metafunc.parametrize("case", CASES if everything else mostly_extended(SOME_CASES, quick_cases()), ids=str)


def quick_cases() -> list[Case]:
    """Of a silent store, which takes a second to give up, one case of each kind; of other faults every one."""
    silent = {case.kind: case for case in SOME_CASES if "silent" in case.kind}
    return [case for case in SOME_CASES if "silent" not in case.kind or case is silent[case.kind]]


@pytest.mark.fault("storage fault of each kind at each operation")
def test_a_fault_is_overcome_or_told_and_leaves_nothing_half_done(
    case: Case, direct: S3Store, through: S3Store, proxy: Proxy, bucket: Bucket, tmp_path: Path
) -> None:
    operation = case.operation
    operation.prepare(direct, tmp_path)
    pattern = operation.requests[case.request]
    fault = proxy.inject(Fault(case.kind, at=pattern, times=None if case.stays else 1))
    error = None
    if case.outcome == "done":
        operation.act(through, tmp_path)
        operation.whole(direct)
    elif case.outcome == "untrue":
        with pytest.raises(AssertionError):  # noqa: PT012 - the one that returns something, or the one that does something
            operation.act(through, tmp_path)
            operation.whole(direct)
        operation.partly(direct)
    else:
        with pytest.raises(GrokcoreError) as caught:
            operation.act(through, tmp_path)
        error = caught.value
        operation.partly(direct)
    assert fault.struck, f"no request matched: {[request.name for request in proxy.requests]}"
    if error is not None:
        assert type(error) is ERRORS[case.outcome], error
        says_what_and_where(str(error), bucket)
    direct.remove_leftovers(direct.leftovers())
    assert direct.leftovers() == []


def says_what_and_where(message: str, bucket: Bucket) -> None:
    assert len(message.splitlines()) == 1
    assert bucket.name in message
    assert message.startswith(("cannot ", "there is no "))
    for secret in (bucket.gateway.secret_key, bucket.gateway.access_key, "Signature", "X-Amz-", "uploadId"):
        assert secret not in message


@pytest.mark.fault("storage fault of each kind at each operation")
@pytest.mark.parametrize("kind", ["refused", "503", "reset before", "silent"])
def test_an_outage_is_waited_for_by_who_has_had_an_answer_before(
    kind: Kind, direct: S3Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
    settings = S3Settings(connect_timeout=5, read_timeout=1, attempts=1, patience=30)
    acquainted, stranger = (S3Store(direct.uri, Connection(settings)) for _ in range(2))
    assert acquainted.read("runs/1/file") == OLD
    fault = proxy.inject(Fault(kind, times=None))
    with pytest.raises(TransientError):
        stranger.read("runs/1/file")
    assert fault.struck == 1
    end_of_outage = threading.Timer(2, proxy.heal)
    end_of_outage.start()
    acquainted.write("runs/1/file", NEW)
    end_of_outage.join()
    assert direct.read("runs/1/file") == NEW
    proxy.heal()
