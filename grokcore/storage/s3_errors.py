"""Map failures of object storage to one-line errors without secrets.

Messages of libraries and servers are not quoted, since they may contain signed URLs or several lines. Codes are.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import urlsplit

import urllib3.exceptions
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from grokcore.errors import AbsentError, DeniedError, GrokcoreError, InputError, TransientError
from grokcore.network import proxy_variable
from grokcore.storage.s3_answers import EndlessListError, ForeignAnswerError
from grokcore.storage.s3_environment import credentials_variable


class BrokenAnswerError(Exception):
    """A response that broke off within its headers, which Python's http.client accepts."""


FAILURES = (
    BotoCoreError,
    ClientError,
    ResponseParserError,
    BrokenAnswerError,
    ForeignAnswerError,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""External failures that a call of the client may raise."""

BROKEN_BODY = (BotoCoreError, urllib3.exceptions.HTTPError)
"""Failures of reading a response body. Not OSError, which comes from writing the body to a file."""

_DAMAGED_ON_THE_WAY = {"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}
"""Codes of requests that were damaged in transit."""

_TRANSIENT_CODES = {
    "ConditionalRequestConflict",
    "InternalError",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
} | _DAMAGED_ON_THE_WAY

_TRANSIENT_STATUS = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}

WRONG_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
"""Codes of credentials that are wrong, unless they were accepted before."""

_MENDED_BY_OTHERS = {"RequestTimeTooSkewed", "QuotaExceeded"}
"""Codes of refusals (403) that do not depend on the credentials: another machine, or another attempt, may succeed."""

_STS = ("AssumeRole", "GetSessionToken")
"""Operations of AWS's token service that botocore calls for credentials."""

_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)

UNREACHABLE = (exceptions.EndpointConnectionError, exceptions.ProxyConnectionError)
"""Failures to connect to the endpoint, or to the proxy before it."""

_FAILED_TUNNEL = re.compile(r"Tunnel connection failed: 5\d\d")
"""In errors of a proxy that is up, and finds the endpoint down."""

_REFUSED_METADATA = re.compile(r"non 200 response \(?4\d\d|Unable to parse")
"""In errors of a service that hands out credentials: it refuses them, or is something else."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"}

_WHERE_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
_RENEW = "renew the credentials: AWS_SESSION_TOKEN and the keys that came with it, or the login of AWS_PROFILE"
_ADVICE = {
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "SignatureDoesNotMatch": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "TokenRefreshRequired": _RENEW,
    "InvalidToken": "check AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "set this machine's clock",
    "QuotaExceeded": "delete objects that are no longer needed, or raise the quota",
    "MissingContentLength": "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
    "PermanentRedirect": "set AWS_DEFAULT_REGION to the region of the bucket",
    "AuthorizationHeaderMalformed": "set AWS_DEFAULT_REGION to the region of the bucket",
}


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: ClientError) -> str:
    """Error code of the store; the HTTP status if the response has no body."""
    return re.sub(r"[^A-Za-z0-9.]", "", str(error.response.get("Error", {}).get("Code", "")))[:60]


def is_of_credentials(error: Exception) -> bool:
    """Whether credentials are missing, wrong or expired, or could not be fetched."""
    if isinstance(error, ClientError):
        return error.operation_name.startswith(_STS) or code_of(error) in WRONG_CREDENTIALS | _EXPIRED
    return isinstance(error, _NO_CREDENTIALS) or _is_of_a_file(error)


def _is_of_a_file(error: Exception) -> bool:
    """Whether a local file, such as one with a token, could not be read."""
    return isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError) and error.filename is not None


def has_advice(error: ClientError) -> bool:
    """Whether there is advice for the error code."""
    return code_of(error) in _ADVICE


def is_denied(error: Exception) -> bool:
    """Whether the store refuses the request of these credentials, so that repeating it does not help."""
    return isinstance(error, ClientError) and (
        status_of(error) in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or code_of(error) in _EXPIRED
    )


def is_worth_another_request(error: Exception) -> bool:
    """Whether to retry a failure that botocore does not retry: damage in transit."""
    if isinstance(error, ClientError):
        return code_of(error) in _DAMAGED_ON_THE_WAY
    return not isinstance(error, BotoCoreError) or isinstance(error, exceptions.FlexibleChecksumError)


def one_line(error: Exception, action: str, place: str, operation: str, endpoint: str) -> GrokcoreError:
    """Map a failure to an error.

    Args:
        action: verb, such as read.
        place: URI of the object.
        operation: method of the client, such as get_object.
        endpoint: URL of the store; the message may quote scheme, host and port.
    """
    if isinstance(error, ClientError):
        kind, cause = _of_answer(error, place, operation)
    else:
        kind, cause = _of_failure(error, endpoint)
    if kind is AbsentError:
        return AbsentError(cause)
    name = "".join(word.capitalize() for word in operation.split("_"))
    return kind(f"cannot {action} {place}: {cause} ({name})")


def _of_answer(error: ClientError, place: str, operation: str) -> tuple[type[GrokcoreError], str]:
    status, code = status_of(error), code_of(error)
    if error.operation_name.startswith(_STS):
        return _of_tokens(status, code)
    response = (
        f"the store responds {code or 'an error'}" if code == str(status) else f"the store responds {code} ({status})"
    )
    if code == "NoSuchBucket":
        return InputError, f"there is no bucket {place.split('/')[2]}; create it, or check the URI and the endpoint"
    if status == HTTPStatus.NOT_FOUND and operation == "get_object":
        return AbsentError, f"file not found: {place}"
    if code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS:
        return TransientError, f"{response}; try again later"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return TransientError, f"{response}; try again later"
    if code in _ADVICE:
        return TransientError if code in _MENDED_BY_OTHERS else InputError, f"{response}; {_ADVICE[code]}"
    if is_denied(error):
        return DeniedError, (
            f"{response}; check the permissions of the credentials of {credentials_variable()} (without s3:ListBucket, "
            "S3 reports absent objects the same way)"
        )
    if status == HTTPStatus.LENGTH_REQUIRED:
        return InputError, f"{response}; {_ADVICE['MissingContentLength']}"
    return InputError, f"{response}; check the URI, and whether the store supports this"


def _of_tokens(status: int, code: str) -> tuple[type[GrokcoreError], str]:
    if code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError, f"the token service responds {code} ({status}); try again later"
    return InputError, (
        f"the token service refuses {credentials_variable()}: {code} ({status}); check the role's trust policy, and "
        "whether the token is expired or for another audience"
    )


def _of_failure(error: Exception, endpoint: str) -> tuple[type[GrokcoreError], str]:
    match error:
        case ForeignAnswerError():
            return InputError, (
                f"{_host(endpoint)} {error.found}: it is a login page, a proxy, or a store that does not have the "
                "bucket; name the URL of the bucket's own store in AWS_ENDPOINT_URL_S3"
            )
        case EndlessListError():
            return InputError, (
                f"{_host(endpoint)} cuts the list short and does not say where to go on: it does not support this "
                "listing; name another store in AWS_ENDPOINT_URL_S3"
            )
        case _ if _is_of_a_file(error):
            return InputError, f"the file {getattr(error, 'filename', None)} cannot be read; an AWS_ variable names it"
        case exceptions.SSOError() | exceptions.TokenRetrievalError():
            return InputError, "the login of AWS_PROFILE has expired; run aws sso login"
        case exceptions.CredentialRetrievalError() | exceptions.MetadataRetrievalError() if _REFUSED_METADATA.search(
            str(error)
        ):
            return InputError, f"the credentials of {credentials_variable()} are refused; check it"
        case exceptions.NoCredentialsError():
            return InputError, f"no credentials; {_WHERE_CREDENTIALS}"
        case exceptions.PartialCredentialsError():
            return InputError, f"the credentials are incomplete; {_WHERE_CREDENTIALS}"
        case exceptions.ProfileNotFound():
            return InputError, "the profile in AWS_PROFILE does not exist; check ~/.aws/config"
        case exceptions.CredentialRetrievalError() | exceptions.MetadataRetrievalError():
            return TransientError, f"the credentials of {credentials_variable()} could not be fetched; try again later"
        case exceptions.SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                InputError,
                f"the certificate of {_host(endpoint)} is not trusted; name its CA file in AWS_CA_BUNDLE",
            )
        case exceptions.ReadTimeoutError() | exceptions.ConnectTimeoutError() | urllib3.exceptions.TimeoutError():
            return TransientError, f"{_host(endpoint)} does not respond; try again later"
        case exceptions.EndpointConnectionError() | exceptions.ProxyConnectionError():
            variable = proxy_variable(endpoint)
            if variable is None:
                advice = "check AWS_ENDPOINT_URL_S3, or try again later"
                return TransientError, f"{_host(endpoint)} is unreachable; {advice}"
            if _FAILED_TUNNEL.search(str(error.kwargs.get("error"))):
                return TransientError, f"the proxy in {variable} does not reach {_host(endpoint)}; try again later"
            return InputError, f"{_host(endpoint)} is unreachable through the proxy in {variable}; check {variable}"
        case exceptions.FlexibleChecksumError():
            return TransientError, "its content arrives damaged; try again later"
        case exceptions.HTTPClientError() | exceptions.ConnectionError() | exceptions.IncompleteReadError():
            return TransientError, f"the connection to {_host(endpoint)} broke; try again later"
        case ResponseParserError():
            return TransientError, f"{_host(endpoint)} does not respond like a store; check AWS_ENDPOINT_URL_S3"
        case BotoCoreError():
            return (
                InputError,
                f"botocore refused the request ({type(error).__name__}); check the AWS_ variables and ~/.aws/config",
            )
    return TransientError, f"the connection to {_host(endpoint)} broke; try again later"


def _host(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        return "the store"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "the store"
