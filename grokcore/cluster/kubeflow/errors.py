"""Errors of `grokcore pipeline`, one exit code per cause for CI jobs, and how API responses map to them."""

from __future__ import annotations

import json
from typing import Any

from grokcore.cluster.kubeflow.connection import HOST_VARIABLE, TOKEN_VARIABLE, Connection
from grokcore.errors import GrokcoreError
from grokcore.network import proxy_variable


class RunFailedError(GrokcoreError):
    """The run failed; the request and the API are fine."""

    exit_code = 1


class StillRunningError(GrokcoreError):
    """The timeout is over; the run continues."""

    exit_code = 3


class ApiError(GrokcoreError):
    """The API refused, or the server is not the API; retrying does not help."""

    exit_code = 4


class AuthError(ApiError):
    """Not authenticated (401), or not authorized (403)."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnavailableError(ApiError):
    """The API is unreachable or failed itself (5xx); a retry may succeed."""


class NotFoundError(ApiError):
    """The requested object does not exist."""


class ConflictError(ApiError):
    """An object of that name already exists."""


class RunCancelledError(GrokcoreError):
    """The run was canceled."""

    exit_code = 5


EXIT_CODES = (
    "Exit codes: 0 success; 1 the run failed; 2 invalid input; 3 the timeout is over; 4 the API is unavailable or "
    "refused; 5 the run was canceled; 143 stopped by a signal, the run continues."
)
"""Shown in the help of every action."""


_LONGEST = 400
"""Maximum characters of a server's message to show; those of Kubeflow repeat themselves."""

_SHORTEST_SECRET = 8
"""Minimum characters of a token to redact; anything shorter may occur in a message by chance."""


def is_of_proxy(error: Exception) -> bool:
    """Whether a request failed because the proxy is unreachable, or refuses to forward it.

    Not where the proxy answers that it does not reach the API (5xx), which is an outage.
    """
    from urllib3.exceptions import ProxyError

    reason = getattr(error, "reason", error)
    return isinstance(reason, ProxyError) and "Tunnel connection failed: 5" not in str(reason)


def error_of(error: Exception, connection: Connection, token: str | None) -> ApiError:
    """Map a failed request to the error to raise, with the token redacted should the server echo it."""
    from urllib3.exceptions import HTTPError

    status = getattr(error, "status", None)
    reason = str(getattr(error, "reason", None) or error)
    if status:
        found = _of_status(int(status), error, connection)
    elif isinstance(error, OSError | HTTPError) or "SSL" in reason:
        found = _of_connection(reason, connection)
    else:  # the client could not parse the response
        found = ApiError(_not_the_api(connection, "the response is not in its format"))
    return _without(found, token)


def _of_status(status: int, error: Any, connection: Connection) -> ApiError:
    message = _message(error.body)
    about = f": {message}" if message else ""
    match status:
        case 401:
            return AuthError(
                f"{connection.host} did not authenticate the request (401){about}; {_advice(connection)}", status=401
            )
        case 403:
            who = str(connection.token or "requests without a token")
            return AuthError(
                f"{connection.host} does not authorize {who} (403){about}; grant a role in the "
                "namespace with rights on "
                f"pipelines, runs and recurring runs",
                status=403,
            )
        case 404 if message is None:
            return ApiError(_not_the_api(connection, "it has no such page (404)"))
        case 404:
            return NotFoundError(f"not found at {connection.host} (404){about}")
        case 409:
            return ConflictError(f"the name already exists at {connection.host} (409){about}")
        case 429 | 500 | 502 | 503 | 504:
            return UnavailableError(f"{connection.host} failed ({status}){about}; try again later")
        case _ if 300 <= status < 400:
            return AuthError(
                f"{connection.host} redirects ({status}), as to a login page; {_advice(connection)}",
                status=401,
            )
        case _ if "unknown field" in about:
            return ApiError(
                f"{connection.host} refused the package ({status}){about}; it is older than the package: give its "
                "version by --kfp-version"
            )
        case _:
            return ApiError(f"{connection.host} refused the request ({status}){about}")


def _of_connection(reason: str, connection: Connection) -> ApiError:
    """Map a request without a response: certificates need other settings, everything else may be transient."""
    if "certificate" in reason.lower() or "SSL" in reason:
        return ApiError(
            f"the certificate of {connection.host} is not trusted: {_last(reason)}; give its CA file with --ca"
        )
    if "timed out" in reason:
        return UnavailableError(f"{connection.host} timed out; is it up, and reachable from here?")
    variable = proxy_variable(connection.host)
    way = f" through the proxy in {variable}" if variable else ""
    return UnavailableError(f"{connection.host} is unreachable{way}: {_last(reason)}; is it up, and is the URL right?")


def _advice(connection: Connection) -> str:
    if connection.token is None:
        return f"give a token: --token-file FILE, or {TOKEN_VARIABLE} in the environment"
    return f"{connection.token} is not valid here: it may have expired, or be for another audience"


def _not_the_api(connection: Connection, found: str) -> str:
    return (
        f"{connection.host} is not the API of Kubeflow Pipelines: {found}; --host (or "
        f"{HOST_VARIABLE}) must be the base "
        f"URL of /apis/v2beta1"
    )


def _message(body: str | bytes | None) -> str | None:
    """Message of an error response; None if it is not from the API."""
    try:
        answer = json.loads(body or "")
    except (ValueError, TypeError):
        return None
    if not isinstance(answer, dict):
        return None
    text = answer.get("message") or answer.get("error") or answer.get("detail") or answer.get("title") or ""
    validation = answer.get("validation")
    if isinstance(validation, list):  # from a gateway that validates requests
        text = f"{text} {json.dumps(validation)}"
    text = " ".join(str(text).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _last(reason: str) -> str:
    """Innermost part of a nested reason."""
    return " ".join(reason.rpartition(": ")[2].strip("()'\" ").split()) or reason


def _without(error: ApiError, token: str | None) -> ApiError:
    text = str(error)
    if token and len(token) >= _SHORTEST_SECRET and token in text:
        error.args = (text.replace(token, "[token]"),)
    return error
