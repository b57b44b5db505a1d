"""Settings that no request can be made with, and proxies: one line that names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import InputError, TransientError
from grokcore.storage import open_store
from tests.storage.wild.conftest import (
    LISTING,
    URI,
    Answer,
    Endpoint,
    each_operation,
    refusal,
)

pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")


@pytest.mark.parametrize("value", ["words\n", "words\r\nX-Header: 1", "two words", "wörter"])
@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_what_no_key_has_is_refused_without_being_shown(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    message = refusal("files")
    assert message.startswith(f"{variable} holds a line end")
    assert "words" not in message
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_DEFAULT_REGION", "us east"),
        ("AWS_DEFAULT_REGION", "us-east-1\n"),
        ("AWS_ENDPOINT_URL_S3", "http://a b"),
        ("AWS_ENDPOINT_URL_S3", "http://store:port"),
        ("AWS_ENDPOINT_URL_S3", "http://store\n"),
        ("HTTP_PROXY", "http://a b:1"),
        ("https_proxy", "http://proxy:port"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert refusal("files").startswith(f"{variable} is not")
    assert endpoint.requests == []


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_certificates_that_are_none_are_named(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(variable, str(file))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.url.replace("http:", "https:"))
    assert f"{variable} names {file}, which" in refusal("files")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.url)  # without TLS nobody reads it
    endpoint.answer = Answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
    assert "there is no bucket" in refusal("files")


@each_operation
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("address", ["127.0.0.1:1", "proxy.invalid:3128"])
def test_a_dead_proxy_is_told_from_a_dead_store(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, scheme: str, address: str, operation: str
) -> None:
    variable = f"{scheme.upper()}_PROXY"
    monkeypatch.setenv(variable, f"http://me:hidden@{address}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{scheme}://store.example")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    message = refusal(operation)
    assert f"{scheme}://store.example is unreachable through the proxy in {variable}; check {variable} (" in message
    assert endpoint.requests == []


@pytest.mark.parametrize(("status", "kind"), [(502, TransientError), (403, InputError)])
def test_a_proxy_that_is_up_may_find_the_store_down(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[Exception]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", endpoint.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store.example")
    endpoint.answer = Answer(status)
    assert "the proxy in HTTPS_PROXY" in refusal("files", kind)
    assert {request.partition(" ")[0] for request in endpoint.requests} == {"CONNECT"}


def test_a_proxy_that_goes_away_after_it_has_served_may_come_back(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint plays the proxy."""
    monkeypatch.setenv("HTTP_PROXY", endpoint.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://store.example")
    endpoint.answer = LISTING
    store = open_store(URI)
    assert list(store.files()) == []
    endpoint.close()
    with pytest.raises(TransientError, match="is unreachable through the proxy in HTTP_PROXY"):
        list(store.files())
