"""Requests that are denied, and credentials that are refused: who can mend it decides the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import DeniedError, InputError, TransientError
from grokcore.runs import list_runs
from grokcore.storage import open_store
from tests.storage.wild.conftest import (
    DENIED,
    LISTING,
    URI,
    Answer,
    Endpoint,
    each_operation,
    refusal,
)

pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")

from grokcore.storage.s3 import S3Store


@each_operation
@pytest.mark.parametrize("denied", [DENIED, Answer(403), Answer(401)], ids=["AccessDenied", "403", "401"])
def test_a_denied_request_is_input_and_names_object_and_credentials(
    endpoint: Endpoint, operation: str, denied: Answer
) -> None:
    endpoint.answer = denied
    message = refusal(operation, DeniedError)
    assert URI in message
    assert "check the permissions of the credentials of AWS_ACCESS_KEY_ID" in message
    assert len(endpoint.requests) <= 2


def test_rights_to_read_do_not_make_a_denied_write_transient_but_rights_to_write_do(endpoint: Endpoint) -> None:
    store = open_store(URI)
    endpoint.answer = LISTING
    assert list(store.files()) == []
    endpoint.answer = DENIED
    with pytest.raises(DeniedError, match=r"cannot write s3://bucket/prefix/key: .*AccessDenied"):
        store.write("key", b"")
    endpoint.answer = Answer(200, headers={"ETag": '"0"'})
    store.write("key", b"")
    endpoint.answer = DENIED
    with pytest.raises(TransientError, match="AccessDenied"):
        store.write("key", b"")
    with pytest.raises(DeniedError, match="s3://other/key"):
        S3Store("s3://other", store.connection).write("key", b"")  # type: ignore[attr-defined]


def test_a_list_of_runs_that_may_not_be_read_is_denied_and_not_a_list_of_damaged_runs(endpoint: Endpoint) -> None:
    key = "<Contents><Key>prefix/{}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
    files = "".join(key.format(name) for name in ("manifest.json", "metrics.jsonl"))
    listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{files}</ListBucketResult>".encode()
    endpoint.answers = {"list-type=2": Answer(200, listing, {"Content-Type": "application/xml"})}
    endpoint.answer = DENIED
    with pytest.raises(DeniedError, match=r"cannot read s3://bucket/prefix/manifest.json: .*AccessDenied"):
        list_runs(open_store(URI))


@pytest.fixture
def web_identity(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of a token that is exchanged for credentials, as of a service account with a role."""
    token = tmp_path / "token"
    token.write_text("the-token-of-a-service-account")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/lab")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint.url)
    return token


@each_operation
@pytest.mark.parametrize(
    ("status", "code"), [(400, "ExpiredTokenException"), (403, "AccessDenied"), (400, "InvalidIdentityToken")]
)
@pytest.mark.usefixtures("web_identity")
def test_a_role_that_is_refused_is_named(endpoint: Endpoint, operation: str, status: int, code: str) -> None:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>hidden</Message></Error></ErrorResponse>"
    endpoint.answer = Answer(status, body.encode(), {"Content-Type": "text/xml"})
    message = refusal(operation)
    assert f"refuses AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE: {code} ({status})" in message
    assert len(endpoint.requests) <= 2


@pytest.mark.usefixtures("web_identity")
def test_a_token_service_with_an_outage_is_worth_another_attempt(endpoint: Endpoint) -> None:
    body = b"<ErrorResponse><Error><Code>ServiceUnavailable</Code></Error></ErrorResponse>"
    endpoint.answer = Answer(503, body, {"Content-Type": "text/xml"})
    assert "the token service responds ServiceUnavailable (503)" in refusal("files", TransientError)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read: No such file"), ("", "one token"), ("two words", "one token")]
)
def test_a_token_file_that_has_none_is_named(
    endpoint: Endpoint, web_identity: Path, content: str | None, said: str
) -> None:
    web_identity.unlink()
    if content is not None:
        web_identity.write_text(content)
    message = refusal("files")
    assert message.startswith(f"AWS_WEB_IDENTITY_TOKEN_FILE names {web_identity}")
    assert said in message
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(Answer(403), InputError), (Answer(200, b"<html>"), InputError), (Answer(500), TransientError)],
    ids=["refused", "a page", "an outage"],
)
def test_a_service_that_hands_out_credentials_is_named(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, answer: Answer, kind: type[Exception]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{endpoint.url}/credentials")
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    endpoint.answer = answer
    assert "the credentials of AWS_CONTAINER_CREDENTIALS_FULL_URI" in refusal("files", kind)


@pytest.mark.parametrize("code", ["ExpiredToken", "TokenRefreshRequired", "InvalidToken"])
def test_an_expired_token_is_input_until_the_store_has_served_with_it(endpoint: Endpoint, code: str) -> None:
    refused = Answer(400, f"<Error><Code>{code}</Code></Error>".encode(), {"Content-Type": "application/xml"})
    endpoint.answer = refused
    assert "AWS_SESSION_TOKEN" in refusal("files")
    listing = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    endpoint.answer = Answer(200, listing, {"Content-Type": "application/xml"})
    store = open_store(URI)
    assert list(store.files()) == []
    endpoint.answer = refused
    with pytest.raises(TransientError, match=code):
        list(store.files())
