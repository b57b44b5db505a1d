"""Endpoints that are no stores, and settings that no request can be made with: one line that names the variable."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.errors import EXIT_BAD_INPUT, EXIT_TRANSIENT, DeniedError, InputError, TransientError
from grokcore.runs import list_runs
from grokcore.storage import Store, open_store

pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")

from grokcore.storage.s3 import S3Store

URI = "s3://bucket/prefix"
OPERATIONS: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read("key"),
    "write": lambda store: store.write("key", b""),
    "write_new": lambda store: store.write_new("key", b""),
    "find": lambda store: store.find("key"),
    "files": lambda store: list(store.files()),
    "delete": lambda store: store.delete("key"),
    "delete_all": lambda store: store.delete_all(),
    "leftovers": lambda store: store.leftovers(),
}
LISTINGS = ("files", "delete_all", "leftovers")
each_operation = pytest.mark.parametrize("operation", OPERATIONS)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Endpoint:
    """An HTTP server that answers every request with the same.

    Attributes:
        answers: others, by a part of the path.
        requests: methods and paths, in order.
    """

    url: str
    answer: Answer = field(default_factory=Answer)
    requests: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Endpoint]:
    """A server that the environment names as store; credentials are those of the environment."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            here.requests.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = next((answer for part, answer in here.answers.items() if part in self.path), here.answer)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_CONNECT = _answer  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def close() -> None:
        server.shutdown()
        server.server_close()

    here = Endpoint(f"http://127.0.0.1:{server.server_address[1]}", close=close)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_ENDPOINT_URL_S3": here.url,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "hidden-words",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "GROKCORE_S3_PATIENCE": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield here
    close()


def refusal(operation: str, kind: type[Exception] = InputError) -> str:
    """The one line that an operation ends with."""
    with pytest.raises(kind) as caught:
        OPERATIONS[operation](open_store(URI))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "hidden" not in message
    return message


REDIRECTS = {
    "to a login page": Answer(302, headers={"Location": "https://login.example/"}),
    "to itself": Answer(307, headers={"Location": "/"}),
    "for good": Answer(301, b"<Error><Code>PermanentRedirect</Code></Error>", {"Content-Type": "application/xml"}),
}


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


LISTING = Answer(
    200,
    b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    {"Content-Type": "application/xml"},
)


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


DENIED = Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})


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
