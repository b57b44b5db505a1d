"""Refuse answers that no store gives, which botocore takes for empty successes or follows without end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

_START = 1024
"""Bytes in which a page begins."""

_WITHOUT_CONTENT = ("DeleteObject", "AbortMultipartUpload")
"""Operations that a store answers without content; botocore takes any content for a success, too."""


class ForeignAnswerError(Exception):
    """The endpoint is something else than a store.

    Attributes:
        found: what it does, for messages.
    """

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


class EndlessListError(Exception):
    """A listing that says there is more, and not from where, or repeats a page."""


def refuse_foreign_answers(client: Any) -> None:
    """Make a client of S3 raise ForeignAnswerError for redirects and for HTML pages.

    AWS redirects to the region of a bucket, and names it; botocore follows. Where none is named, botocore asks for the
    region of the bucket at every redirect, and at the redirect of that request, until Python's stack is full.
    """

    def check(response: tuple[Any, Mapping[str, Any]] | None, operation: Any, **_: Any) -> None:
        if response is None:
            return
        answer, parsed = response
        # as it came: botocore makes a 500 of a page that is not XML
        status = getattr(answer.raw, "status", answer.status_code)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED:
            if "x-amz-bucket-region" not in headers and "Region" not in parsed.get("Error", {}):
                raise ForeignAnswerError(f"redirects ({status})")
        elif status < 300 and _is_page(answer, headers, operation.name):
            raise ForeignAnswerError(f"answers with a web page ({status})")

    client.meta.events.register_first("needs-retry.s3", check)


def _is_page(answer: Any, headers: Mapping[str, str], operation: str) -> bool:
    """Whether the answer is an HTML page, or content where a store sends none.

    The type alone does not tell: Swift gives it to empty answers, and an object may have it, but then has an ETag.
    """
    if operation in _WITHOUT_CONTENT:
        return bool(answer.content.strip())
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "text/html":
        # a page without its type lacks what other operations need
        return operation == "DeleteObjects" and _starts_like_a_page(answer.content)
    if operation in ("GetObject", "HeadObject"):
        return "etag" not in headers
    return _starts_like_a_page(answer.content)


def _starts_like_a_page(content: bytes) -> bool:
    return content[:_START].lstrip().lower().startswith((b"<!doctype html", b"<html"))


class Pages:
    """Markers of the pages of a listing: each request continues at another one.

        pages = Pages("NextContinuationToken", parameters=["ContinuationToken"])
        while pages.more:
            answer = send(..., **pages.start)
            pages.turn(answer)

    Attributes:
        start: parameters of the next request.
        more: whether there is one.
    """

    def __init__(self, *fields: str, parameters: Sequence[str]) -> None:
        self._fields, self._parameters = fields, parameters
        self._seen: set[tuple[str, ...]] = set()
        self.start: dict[str, Any] = {}
        self.more = True

    def turn(self, answer: Mapping[str, Any]) -> None:
        """Read where the next page starts.

        Raises:
            EndlessListError: the answer is truncated and does not say, or says what it said before.
        """
        self.more = bool(answer.get("IsTruncated"))
        if not self.more:
            return
        markers = tuple(str(answer.get(field) or "") for field in self._fields)
        if not markers[0] or markers in self._seen:
            raise EndlessListError
        self._seen.add(markers)
        self.start = dict(zip(self._parameters, markers, strict=True))
