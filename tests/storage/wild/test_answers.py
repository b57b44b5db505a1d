"""Endpoints that are something else than a store: one line that says what, and no request without end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grokcore.cli import main
from grokcore.errors import EXIT_BAD_INPUT, EXIT_TRANSIENT, InputError, TransientError
from grokcore.storage import Store, open_store
from tests.storage.wild.conftest import (
    DENIED,
    LISTINGS,
    URI,
    Answer,
    Endpoint,
    each_operation,
    refusal,
)

REDIRECTS = {
    "to a login page": Answer(302, headers={"Location": "https://login.example/"}),
    "to itself": Answer(307, headers={"Location": "/"}),
    "for good": Answer(301, b"<Error><Code>PermanentRedirect</Code></Error>", {"Content-Type": "application/xml"}),
}

pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")


@each_operation
@pytest.mark.parametrize("redirect", REDIRECTS)
def test_an_endpoint_that_redirects_is_asked_once(endpoint: Endpoint, redirect: str, operation: str) -> None:
    endpoint.answer = REDIRECTS[redirect]
    message = refusal(operation)
    assert f"{endpoint.url} redirects ({endpoint.answer.status})" in message
    assert "AWS_ENDPOINT_URL_S3" in message
    assert len(endpoint.requests) == 1


@each_operation
@pytest.mark.parametrize("page", [b"<html><body>Log in</body></html>", b"<!DOCTYPE html><br>Log in &nbsp;"])
def test_a_web_page_with_status_200_is_neither_a_success_nor_an_empty_list(
    endpoint: Endpoint, operation: str, page: bytes
) -> None:
    endpoint.answer = Answer(200, page, {"Content-Type": "text/html; charset=utf-8"})
    message = refusal(operation)
    assert "answers with a web page (200)" in message
    assert "AWS_ENDPOINT_URL_S3" in message
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("operation", ["read", "write", "write_new", "find", *LISTINGS])
@pytest.mark.parametrize("body", [b"<html><body>Log in</body></html>", b"{}", b""])
def test_a_page_that_does_not_say_its_type_is_no_success_either(
    endpoint: Endpoint, body: bytes, operation: str
) -> None:
    endpoint.answer = Answer(200, body)
    assert "try again later" in refusal(operation, TransientError)
    assert len(endpoint.requests) <= 6


def test_a_store_that_has_served_may_have_a_page_before_it_for_a_while(endpoint: Endpoint) -> None:
    listing = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    endpoint.answer = Answer(200, listing, {"Content-Type": "application/xml"})
    store = open_store(URI)
    assert list(store.files()) == []
    endpoint.answer = Answer(302, headers={"Location": "/"})
    with pytest.raises(TransientError, match="redirects"):
        list(store.files())


ENTRY = "<Contents><Key>prefix/a</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"


@pytest.mark.parametrize("operation", LISTINGS)
@pytest.mark.parametrize(
    "marker",
    ["", "<NextContinuationToken>t</NextContinuationToken><NextKeyMarker>k</NextKeyMarker>"],
    ids=["without a token", "with the same one"],
)
def test_a_list_without_end_is_ended(endpoint: Endpoint, marker: str, operation: str) -> None:
    body = f"<ListBucketResult><IsTruncated>true</IsTruncated>{marker}{ENTRY}</ListBucketResult>"
    endpoint.answer = Answer(200, body.encode(), {"Content-Type": "application/xml"})
    assert "cuts the list short" in refusal(operation)
    assert sum(request.startswith("GET") for request in endpoint.requests) == (2 if marker else 1)


DELETIONS: dict[str, Callable[[Store], object]] = {
    "delete": lambda store: store.delete("key"),
    "remove_leftovers": lambda store: store.remove_leftovers(["key?uploadId=1"]),
    "delete_all": lambda store: store._delete_together(["key"]),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("deletion", DELETIONS)
@pytest.mark.parametrize("body", [b"<html><body>Log in</body></html>", b"{}"])
def test_a_page_that_does_not_say_its_type_confirms_no_deletion(endpoint: Endpoint, deletion: str, body: bytes) -> None:
    endpoint.answer = Answer(200, body)
    with pytest.raises((InputError, TransientError)) as caught:
        DELETIONS[deletion](open_store(URI))
    assert "cannot delete s3://bucket" in str(caught.value)


@pytest.mark.parametrize("deletion", DELETIONS)
def test_a_store_confirms_a_deletion_with_status_200_too(endpoint: Endpoint, deletion: str) -> None:
    endpoint.answer = Answer(200, b"<DeleteResult/>" if deletion == "delete_all" else b"")
    DELETIONS[deletion](open_store(URI))


@pytest.mark.parametrize(
    ("answer", "code"),
    [(REDIRECTS["to itself"], EXIT_BAD_INPUT), (DENIED, EXIT_BAD_INPUT), (Answer(503), EXIT_TRANSIENT)],
    ids=["redirect", "denied", "outage"],
)
def test_a_command_ends_with_one_line_and_its_exit_code(
    endpoint: Endpoint, answer: Answer, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.answer = answer
    assert main(["runs", "list", URI]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1
