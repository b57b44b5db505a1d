"""Connection to object storage: one client for many stores, with timeouts and retries.

botocore takes credentials, region and endpoint from the AWS_ variables, ~/.aws, or the role of the machine. It also
reads AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import Any, cast

import boto3
import botocore.loaders
import botocore.session
import botocore.utils
from botocore.config import Config
from botocore.exceptions import ClientError, InvalidRegionError

from grokcore.errors import GrokcoreError, InputError, TransientError
from grokcore.storage.s3_answers import ForeignAnswerError, refuse_foreign_answers
from grokcore.storage.s3_environment import check_environment
from grokcore.storage.s3_errors import (
    FAILURES,
    UNREACHABLE,
    BrokenAnswerError,
    has_advice,
    is_denied,
    is_of_credentials,
    is_worth_another_request,
    one_line,
    status_of,
)
from grokcore.storage.store import CONCURRENT_READS
from grokcore.version import __version__

_LONGEST_PAUSE = 10.0
"""Maximum seconds between attempts."""
_SMALLEST_PART = 5 << 20
"""Bytes; stores refuse smaller parts, except the last."""


@dataclass(frozen=True)
class S3Settings:
    """Timeouts and retries.

    botocore makes up to `attempts` immediate attempts. A store that has responded before is then retried until
    `patience` is over, which hides shorter outages. A request thus fails after about half a minute of errors, or
    `attempts * read_timeout` (90 s) without a response, or both. The very first request, whose failure may be due to a
    wrong endpoint, fails after its attempts.

    Attributes:
        connect_timeout: seconds per attempt to connect.
        read_timeout: seconds per attempt to wait for the next bytes.
        attempts: per request, including the first.
        patience: seconds from the start of a request within which it may be retried.
        mode: retry mode of botocore: standard or adaptive.
        part_size: bytes; larger files are uploaded in parts of this size.
    """

    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    attempts: int = 3
    patience: float = 30.0
    mode: str = "standard"
    part_size: int = 16 << 20

    def __post_init__(self) -> None:
        if self.mode not in ("standard", "adaptive"):
            raise InputError(f"AWS_RETRY_MODE={self.mode!r}: use standard or adaptive")
        if self.part_size < _SMALLEST_PART:
            raise InputError(f"parts of {self.part_size} bytes: the minimum is {_SMALLEST_PART}")

    @classmethod
    def from_environment(cls) -> S3Settings:
        """Read AWS_MAX_ATTEMPTS, AWS_RETRY_MODE and the GROKCORE_S3_ variables, with defaults for the rest.

        Raises:
            InputError: an invalid number or mode.
        """
        return cls(
            connect_timeout=_number("GROKCORE_S3_CONNECT_TIMEOUT", cls.connect_timeout, least=0.01),
            read_timeout=_number("GROKCORE_S3_READ_TIMEOUT", cls.read_timeout, least=0.01),
            attempts=int(_number("AWS_MAX_ATTEMPTS", cls.attempts, least=1)),
            patience=_number("GROKCORE_S3_PATIENCE", cls.patience, least=0),
            mode=os.environ.get("AWS_RETRY_MODE") or cls.mode,
        )


def _number(variable: str, default: float, *, least: float) -> float:
    """Read a number of the default's type from the environment."""
    text = os.environ.get(variable) or str(default)
    try:
        value = type(default)(text)
    except ValueError:
        value = math.nan
    if not least <= value < 1e6:
        raise InputError(f"{variable}={text!r} must be a {'whole ' * isinstance(default, int)}number from {least}")
    return value


_UNEXPLAINED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Connection:
    """A lazily created client; thread-safe."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._client: Any = None
        self._has_answered = False
        self._served: set[tuple[str, str]] = set()  # actions that succeeded, and the bucket of each
        self._buckets: dict[str, Future[None]] = {}

    @property
    def client(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _new_client(self.settings)
            return self._client

    def send(
        self,
        action: str,
        place: str,
        operation: str,
        *,
        expected: Collection[int] = (),
        needs: Collection[str] = (),
        **parameters: Any,
    ) -> dict[str, Any]:
        """Make a request, retrying transient failures.

        Args:
            action: verb for messages, such as read.
            place: URI for messages.
            operation: method of the client, such as get_object.
            expected: HTTP statuses that the caller handles.
            needs: fields of a complete response.

        Raises:
            ClientError: the store responded with one of the `expected` statuses.
            AbsentError, InputError, DeniedError, TransientError: as the methods of Store.
        """
        end = time.monotonic() + self.settings.patience
        for attempt in itertools.count():
            try:
                answer: dict[str, Any] = getattr(self.client, operation)(**parameters)
                if not set(needs) <= set(answer):
                    raise BrokenAnswerError
                self._has_answered = True
                self._served.add((action, _bucket_of(place)))
                return answer
            except FAILURES as error:
                if isinstance(error, ClientError) and not is_of_credentials(error):
                    self._has_answered |= status_of(error) < HTTPStatus.INTERNAL_SERVER_ERROR
                    if status_of(error) in expected:
                        raise
                reason, *where = self._with_reason(error, action, place, operation, parameters)
                translated = self.one_line(reason, *where)
                waits = self._has_answered and time.monotonic() < end
                has_attempts = is_worth_another_request(error) and attempt + 1 < self.settings.attempts
                if is_denied(reason) or not (isinstance(translated, TransientError) and (waits or has_attempts)):
                    raise translated from None
            _pause_after(attempt)
        raise AssertionError("the loop ends with a response or an error")

    def _with_reason(
        self, failure: Exception, action: str, place: str, operation: str, parameters: Mapping[str, Any]
    ) -> tuple[Exception, str, str, str]:
        """Return arguments for `one_line`; a refused HEAD, whose response has no body, is replaced by a refused LIST.

        The status alone does not distinguish wrong keys, expired keys and missing rights.
        """
        if isinstance(failure, ClientError) and operation.startswith("head_") and status_of(failure) in _UNEXPLAINED:
            try:
                self.client.list_objects_v2(Bucket=parameters["Bucket"], MaxKeys=1)
            except ClientError as reason:
                if has_advice(reason):
                    return reason, action, place, "list_objects_v2"
            except FAILURES:
                pass
        return failure, action, place, operation

    def one_line(self, failure: Exception, action: str, place: str, operation: str) -> GrokcoreError:
        endpoint = "" if self._client is None else str(self._client.meta.endpoint_url)
        translated = one_line(failure, action, place, operation, endpoint)
        return TransientError(str(translated)) if self._worked_before(failure, action, place) else translated

    def _worked_before(self, failure: Exception, action: str, place: str) -> bool:
        """Whether settings that now fail have worked: credentials are renewed, proxies and permissions mended."""
        if is_of_credentials(failure) or isinstance(failure, ForeignAnswerError):
            return bool(self._served)
        if is_denied(failure):  # other actions, or other buckets, may need rights that were never granted
            return (action, _bucket_of(place)) in self._served
        return isinstance(failure, UNREACHABLE) and self._has_answered

    def attempts(self, *, patient: bool = False) -> Iterator[int]:
        """Yield attempt numbers from 0, pausing before all but the first.

        Args:
            patient: continue until the patience is over.
        """
        end = time.monotonic() + (self.settings.patience if patient else 0)
        yield 0
        for attempt in itertools.count(1):
            if attempt >= self.settings.attempts and time.monotonic() >= end:
                return
            _pause_after(attempt - 1)
            yield attempt

    def require_bucket(self, bucket: str) -> None:
        """Distinguish an absent object from an absent bucket: one request, however many threads ask.

        Raises:
            InputError: the bucket does not exist.
        """
        mine: Future[None] = Future()
        with self._lock:
            found = self._buckets.setdefault(bucket, mine)
        if found is mine:
            try:
                self._look_for(bucket)
                mine.set_result(None)
            except BaseException as error:
                del self._buckets[bucket]  # may be mended: ask again next time
                mine.set_exception(error)
        found.result()

    def _look_for(self, bucket: str) -> None:
        try:
            # 403: credentials for objects need not include rights on the bucket
            self.send("find", f"s3://{bucket}", "head_bucket", expected=(403, 404), Bucket=bucket)
        except ClientError as error:
            if status_of(error) == 404:
                raise InputError(
                    f"there is no bucket {bucket}; create it, or check the URI and the endpoint (HeadBucket)"
                ) from None


def _bucket_of(place: str) -> str:
    return place.removeprefix("s3://").partition("/")[0]


def _pause_after(attempt: int) -> None:
    time.sleep(min(_LONGEST_PAUSE, random.random() * 2**attempt))  # noqa: S311 - jitter, no secret


@cache
def _description_of_s3() -> Any:
    """Cached loader of botocore's service description, which takes most of the time to create a client."""
    return botocore.loaders.create_loader()


def _parse_time(text: Any) -> datetime:
    """Parse a time as stores write it, in a tenth of the time of botocore's parser, half of all work of a listing."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(TypeError, ValueError):
            time = parse(text)
            if time.tzinfo is not None:
                return time
    return cast(datetime, botocore.utils.parse_timestamp(text))


def _new_client(settings: S3Settings) -> Any:
    check_environment()
    own_endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = Config(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        retries={"mode": settings.mode, "total_max_attempts": settings.attempts},
        # hardly any store other than AWS supports virtual-hosted buckets
        s3={"addressing_style": "path" if own_endpoint else "auto"},
        max_pool_connections=CONCURRENT_READS,
        # botocore composes its own anew, twice per request, in a twelfth of the time that it needs for a small object
        user_agent=f"grokcore/{__version__}",
    )
    session = botocore.session.Session()
    session.register_component("data_loader", _description_of_s3())
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_time)
    try:
        client = boto3.session.Session(botocore_session=session).client("s3", config=config)
    except InvalidRegionError:
        raise InputError("the region in ~/.aws/config is not the name of a region, as us-east-1") from None
    except ValueError as error:
        if "Unsupported host" in str(error):
            raise InputError("AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that botocore does not allow") from None
        raise InputError(
            "the endpoint of S3 is not a URL; write it as https://HOST:PORT in AWS_ENDPOINT_URL_S3"
        ) from None
    refuse_foreign_answers(client)
    return client
