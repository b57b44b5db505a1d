"""The connection to object storage: one client for many stores, how patient it is, and when it asks again.

Credentials, region and endpoint are botocore's business: the AWS_ variables, ~/.aws, or the role of the machine.
botocore also reads AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION by itself.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

from grokcore.errors import GrokcoreError, InputError, TransientError
from grokcore.storage.s3_errors import (
    FAILURES,
    WRONG_CREDENTIALS,
    BrokenAnswerError,
    code_of,
    has_advice,
    is_denied,
    is_worth_another_request,
    one_line,
    status_of,
)

_LONGEST_PAUSE = 10.0
"""Seconds between two attempts."""
_SMALLEST_PART = 5 << 20
"""Bytes; stores refuse smaller parts, save the last."""


@dataclass(frozen=True)
class S3Settings:
    """How patient a connection is.

    botocore repeats a request at once, `attempts` times in all, which overcomes a hiccup. A store that has answered
    before is then waited for, and asked again, until `patience` is over: an outage that is shorter goes unnoticed. So
    a request fails after about half a minute of errors, or `attempts * read_timeout`, 90 s, of silence, or both; the
    very first request, which a wrong endpoint may be the cause of, after its attempts.

    Attributes:
        connect_timeout: seconds that one attempt waits for a connection.
        read_timeout: seconds that one attempt waits for the next bytes.
        attempts: of each request, the first one included.
        patience: seconds from the beginning of a request in which it may be begun again.
        mode: botocore's way to try again: standard or adaptive.
        part_size: bytes; a larger file is uploaded in parts of this size.
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
            raise InputError(f"parts of {self.part_size} bytes: stores take none below {_SMALLEST_PART}")

    @classmethod
    def from_environment(cls) -> S3Settings:
        """The defaults, but for what AWS_MAX_ATTEMPTS, AWS_RETRY_MODE and the GROKCORE_S3_ variables say.

        Raises:
            InputError: one of them is no number in its range, or no mode.
        """
        return cls(
            connect_timeout=_number("GROKCORE_S3_CONNECT_TIMEOUT", cls.connect_timeout, least=0.01),
            read_timeout=_number("GROKCORE_S3_READ_TIMEOUT", cls.read_timeout, least=0.01),
            attempts=int(_number("AWS_MAX_ATTEMPTS", cls.attempts, least=1)),
            patience=_number("GROKCORE_S3_PATIENCE", cls.patience, least=0),
            mode=os.environ.get("AWS_RETRY_MODE") or cls.mode,
        )


def _number(variable: str, default: float, *, least: float) -> float:
    """A number of the kind that the default is, from the environment."""
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
    """A client that is made when it is first needed. Any number of threads may use it at once."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._client: Any = None
        self._has_answered = self._has_served = False
        self._buckets: set[str] = set()

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
        """Make one request, and again what fails in a way that may pass.

        Args:
            action: a verb for the message, such as read.
            place: the URI of what it is done to.
            operation: the client's method, such as get_object.
            expected: HTTP statuses of refusals that the caller deals with.
            needs: fields that a whole answer has.

        Raises:
            ClientError: the store has refused with one of the `expected` statuses.
            AbsentError, InputError, TransientError: as the methods of Store do.
        """
        end = time.monotonic() + self.settings.patience
        for attempt in itertools.count():
            try:
                answer: dict[str, Any] = getattr(self.client, operation)(**parameters)
                if not set(needs) <= set(answer):
                    raise BrokenAnswerError
                self._has_answered = self._has_served = True
                return answer
            except FAILURES as error:
                if isinstance(error, ClientError):
                    self._has_answered |= status_of(error) < HTTPStatus.INTERNAL_SERVER_ERROR
                    if status_of(error) in expected:
                        raise
                reason, *where = self._with_reason(error, action, place, operation, parameters)
                told = self.one_line(reason, *where)
                waits = self._has_answered and time.monotonic() < end
                has_attempts = is_worth_another_request(error) and attempt + 1 < self.settings.attempts
                if is_denied(reason) or not (isinstance(told, TransientError) and (waits or has_attempts)):
                    raise told from None
            _pause_after(attempt)
        raise AssertionError("the loop ends by an answer or an error")

    def _with_reason(
        self, failure: Exception, action: str, place: str, operation: str, parameters: Mapping[str, Any]
    ) -> tuple[Exception, str, str, str]:
        """The arguments of `one_line`: of a refusal without a body, as HEAD has none, by what a LIST is told instead.

        The status alone does not tell wrong keys, expired ones and missing rights apart.
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
        told = one_line(failure, action, place, operation, endpoint)
        missing = isinstance(failure, NoCredentialsError | PartialCredentialsError)
        wrong = isinstance(failure, ClientError) and code_of(failure) in WRONG_CREDENTIALS
        if self._has_served and (missing or wrong):
            return TransientError(str(told))  # there were right ones: they are being renewed
        return told

    def attempts(self, *, patient: bool = False) -> Iterator[int]:
        """Numbers from 0, one for each attempt, with a pause before all but the first.

        Args:
            patient: go on until the patience is over, too.
        """
        end = time.monotonic() + (self.settings.patience if patient else 0)
        yield 0
        for attempt in itertools.count(1):
            if attempt >= self.settings.attempts and time.monotonic() >= end:
                return
            _pause_after(attempt - 1)
            yield attempt

    def require_bucket(self, bucket: str) -> None:
        """Make sure that what is absent is not absent because its bucket is.

        Raises:
            InputError: there is no such bucket.
        """
        if bucket in self._buckets:
            return
        try:
            # 403: credentials that may use single objects need not be allowed to ask for the bucket
            self.send("find", f"s3://{bucket}", "head_bucket", expected=(403, 404), Bucket=bucket)
        except ClientError as error:
            if status_of(error) == 404:
                raise InputError(
                    f"there is no bucket {bucket}; create it, or check the URI and the endpoint (HeadBucket)"
                ) from None
        self._buckets.add(bucket)


def _pause_after(attempt: int) -> None:
    time.sleep(min(_LONGEST_PAUSE, random.random() * 2**attempt))  # noqa: S311 - jitter, no secret


@cache
def _description_of_s3() -> Any:
    """What botocore makes a client from; reading it takes most of the time that a client takes."""
    return botocore.loaders.create_loader()


def _new_client(settings: S3Settings) -> Any:
    own_endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = Config(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        retries={"mode": settings.mode, "total_max_attempts": settings.attempts},
        # a name of its own for each bucket is what AWS has, and hardly anybody else
        s3={"addressing_style": "path" if own_endpoint else "auto"},
        max_pool_connections=16,
    )
    session = botocore.session.Session()
    session.register_component("data_loader", _description_of_s3())
    try:
        return boto3.session.Session(botocore_session=session).client("s3", config=config)
    except ValueError:
        raise InputError("AWS_ENDPOINT_URL_S3 is no URL; write it as https://HOST:PORT") from None
