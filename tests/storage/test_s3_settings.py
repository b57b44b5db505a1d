"""Settings of object storage from the URI and the environment, and errors of wrong ones."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest

from grokcore.errors import AbsentError, InputError, TransientError
from grokcore.storage import Store, open_store

pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")

from grokcore.storage.s3 import S3Store
from grokcore.storage.s3_connection import Connection, S3Settings

OPERATIONS: list[Callable[[Store], object]] = [
    lambda store: store.read("key"),
    lambda store: store.write("key", b""),
    lambda store: store.write_new("key", b""),
    lambda store: store.find("key"),
    lambda store: list(store.files()),
    lambda store: store.delete("key"),
    lambda store: store.delete_all(),
    lambda store: store.leftovers(),
]


@pytest.fixture
def store(s3_uri: str) -> S3Store:
    store = S3Store(s3_uri)
    assert store._connection.client is not None  # made now, whatever the environment will be
    return store


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("uri", "shown"),
    [("s3://bucket", "s3://bucket"), ("s3://bucket/", "s3://bucket"), ("s3://bucket/a/b/", "s3://bucket/a/b")],
)
def test_a_uri_names_a_bucket_and_a_prefix(uri: str, shown: str) -> None:
    assert open_store(uri).uri == shown
    assert open_store(uri).uri_of("key") == f"{shown}/key"


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "s3://a/k", "s3://me:hidden@bucket/k", "s3://bucket?hidden/k"])
def test_a_uri_without_a_bucket_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(InputError, match="s3://BUCKET/PREFIX") as caught:
        open_store(uri)
    assert "hidden" not in one_line(caught)


@pytest.mark.parametrize("uri", ["s3://bucket/../other", "s3://bucket//a", "s3://bucket/a/./b"])
def test_a_prefix_that_leads_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="not a valid key"):
        open_store(uri)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("grokcore.storage.s3")]:
        monkeypatch.delitem(sys.modules, name)
    for package in ("boto3", "botocore", "botocore.exceptions"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'grokcore\[s3\]'"):
        open_store("s3://bucket/prefix")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "2.5"),
        ("AWS_RETRY_MODE", "never"),
        ("GROKCORE_S3_READ_TIMEOUT", "soon"),
        ("GROKCORE_S3_CONNECT_TIMEOUT", "nan"),
        ("GROKCORE_S3_PATIENCE", "-1"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=variable):
        S3Settings.from_environment()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKCORE_S3_CONNECT_TIMEOUT", "0.5")
    monkeypatch.setenv("GROKCORE_S3_READ_TIMEOUT", "7")
    monkeypatch.setenv("GROKCORE_S3_PATIENCE", "0")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    settings = S3Settings.from_environment()
    assert settings.patience == 0
    config = Connection(settings).client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (0.5, 7)
    assert (config.retries["total_max_attempts"], config.retries["mode"]) == (2, "adaptive")


def checksum_headers(store: S3Store) -> set[str]:
    sent: set[str] = set()
    client = store._connection.client
    client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.update(name.lower() for name in request.headers)
    )
    store.write("key", b"content")
    return {name for name in sent if "checksum" in name or name in ("content-md5", "x-amz-trailer")}


def test_stores_that_refuse_checksums_of_aws_need_take_none(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(name.startswith("x-amz-checksum-") for name in checksum_headers(S3Store(s3_uri)))
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    store = S3Store(s3_uri)
    assert checksum_headers(store) == {"content-md5"}
    assert store.read("key") == b"content"
    store.delete_all()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_credentials_the_variables_are_named(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, operation: Callable[[Store], object]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        operation(open_store(store.uri))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_wrong_input_and_stay_secret(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, variable: str, operation: Callable[[Store], object]
) -> None:
    monkeypatch.setenv(variable, "WRONG1234567890")
    with pytest.raises(InputError, match="403") as caught:
        operation(open_store(store.uri))
    message = one_line(caught)
    assert "WRONG" not in message
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in message
    assert store.uri in message


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_bucket_that_is_not_there_is_wrong_input(s3_uri: str, operation: Callable[[Store], object]) -> None:
    with pytest.raises(InputError, match="there is no bucket absent; create it") as caught:
        operation(open_store("s3://absent/prefix"))
    assert not isinstance(caught.value, AbsentError)


def test_threads_that_miss_an_object_look_for_its_bucket_once(store: S3Store) -> None:
    connection, asked, together = store.connection, threading.Barrier(8), threading.Event()
    send, sent = connection.send, []

    def slow(*arguments: object, **named: object) -> object:
        sent.append(arguments[2])
        together.wait(1)  # the others come to the same question meanwhile
        return send(*arguments, **named)  # type: ignore[arg-type]

    def miss(_: int) -> None:
        asked.wait(30)
        connection.require_bucket(store._bucket)

    with ThreadPoolExecutor(8) as pool, patch.object(connection, "send", slow):
        list(pool.map(miss, range(8)))
    assert sent == ["head_bucket"]


def test_a_bucket_that_was_created_since_is_found(store: S3Store) -> None:
    connection, bucket = store.connection, f"late-{uuid.uuid4().hex}"
    with pytest.raises(InputError, match="there is no bucket"):
        connection.require_bucket(bucket)
    connection.client.create_bucket(Bucket=bucket)
    connection.require_bucket(bucket)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_endpoint_that_cannot_be_reached_is_a_passing_trouble(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch, operation: Callable[[Store], object]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TransientError, match=r"http://127.0.0.1:1 is unreachable") as caught:
        operation(open_store(s3_uri))
    assert s3_uri in one_line(caught)


def test_an_endpoint_that_is_no_url_is_wrong_input(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "my-store")
    with pytest.raises(InputError, match="AWS_ENDPOINT_URL_S3 is not a URL"):
        open_store(s3_uri).read("key")
