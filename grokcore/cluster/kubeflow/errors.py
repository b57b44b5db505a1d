"""Errors of `grokcore pipeline`, one exit code per cause for CI jobs, and how API responses map to them."""

from __future__ import annotations

import json
from typing import Any

from grokcore.cluster.kubeflow.connection import HOST_VARIABLE, TOKEN_VARIABLE, Connection
from grokcore.errors import GrokcoreError


class RunFailedError(GrokcoreError):
    """The run has failed; nothing is wrong with the request or with the API."""

    exit_code = 1


class StillRunningError(GrokcoreError):
    """The time to wait is over and the run is not; it goes on."""

    exit_code = 3


class ApiError(GrokcoreError):
    """The API refused, or what answered is not the API; asking again does not help."""

    exit_code = 4


class AuthError(ApiError):
    """The API does not know who asks (401), or the asker may not do this (403)."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnavailableError(ApiError):
    """The API could not be reached, or failed itself (5xx); it may answer again."""


class NotFoundError(ApiError):
    """The API knows no such thing."""


class ConflictError(ApiError):
    """There is one of that name already."""


class RunCancelledError(GrokcoreError):
    """Somebody has ended the run."""

    exit_code = 5


EXIT_CODES = (
    "Exit codes: 0 done, or the run has succeeded; 1 the run has failed; 2 wrong input; 3 the time to wait is over; "
    "4 the API or who asks it; 5 the run was cancelled; 143 stopped by a signal, the run goes on."
)
"""For the help of every command."""


_LONGEST = 400
"""Characters of a server's message that are worth showing; Kubeflow's repeat themselves."""

_SHORTEST_SECRET = 8
"""Characters; what is shorter may stand in any message by chance."""


def error_of(error: Exception, connection: Connection, token: str | None) -> ApiError:
    """The error to raise for what a request came to; no text of the token is in it, whatever the server has echoed."""
    from urllib3.exceptions import HTTPError

    status = getattr(error, "status", None)
    reason = str(getattr(error, "reason", None) or error)
    if status:
        found = _of_status(int(status), error, connection)
    elif isinstance(error, OSError | HTTPError) or "SSL" in reason:
        found = _of_connection(reason, connection)
    else:  # how the client meets an answer that it cannot read
        found = ApiError(_no_api(connection, "what it answers is not the API's"))
    return _without(found, token)


def _of_status(status: int, error: Any, connection: Connection) -> ApiError:
    said = _message(error.body)
    about = f": {said}" if said else ""
    match status:
        case 401:
            return AuthError(
                f"{connection.host} does not know who asks (401){about}; {_advice(connection)}", status=401
            )
        case 403:
            who = str(connection.token or "a request without a token")
            return AuthError(
                f"{connection.host} does not allow this to {who} (403){about}; it needs a role in the namespace that "
                f"may use pipelines, runs and recurring runs",
                status=403,
            )
        case 404 if said is None:
            return ApiError(_no_api(connection, "it has no such page (404)"))
        case 404:
            return NotFoundError(f"{connection.host} has no such thing (404){about}")
        case 409:
            return ConflictError(f"{connection.host} has one of that name (409){about}")
        case 429 | 500 | 502 | 503 | 504:
            return UnavailableError(f"{connection.host} fails ({status}){about}; try again later")
        case _ if 300 <= status < 400:
            return AuthError(
                f"{connection.host} answers with a redirect ({status}), as a login page does; {_advice(connection)}",
                status=401,
            )
        case _:
            return ApiError(f"{connection.host} refused the request ({status}){about}")


def _of_connection(reason: str, connection: Connection) -> ApiError:
    """A request that got no answer; certificates are a matter of settings, everything else may pass."""
    if "certificate" in reason.lower() or "SSL" in reason:
        return ApiError(
            f"{connection.host} cannot be trusted: {_last(reason)}; name the file of its authority with --ca"
        )
    if "timed out" in reason:
        return UnavailableError(f"{connection.host} does not answer in time; is it up, and reachable from here?")
    return UnavailableError(f"{connection.host} cannot be reached: {_last(reason)}; is it up, and is the URL right?")


def _advice(connection: Connection) -> str:
    if connection.token is None:
        return f"give a token: --token-file FILE, or {TOKEN_VARIABLE} in the environment"
    return f"{connection.token} is not valid here: it may have expired, or be for another audience"


def _no_api(connection: Connection, found: str) -> str:
    return (
        f"{connection.host} is not the API of Kubeflow Pipelines: {found}; --host (or {HOST_VARIABLE}) must be the URL "
        f"below which /apis/v2beta1 is"
    )


def _message(body: str | bytes | None) -> str | None:
    """What the API says in an error; None where it is not the API that speaks."""
    try:
        answer = json.loads(body or "")
    except (ValueError, TypeError):
        return None
    if not isinstance(answer, dict):
        return None
    told = answer.get("message") or answer.get("error") or answer.get("detail") or answer.get("title") or ""
    validation = answer.get("validation")
    if isinstance(validation, list):  # of a gateway that checks requests
        told = f"{told} {json.dumps(validation)}"
    text = " ".join(str(told).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _last(reason: str) -> str:
    """The part of a nested reason that says what happened."""
    return " ".join(reason.rpartition(": ")[2].strip("()'\" ").split()) or reason


def _without(error: ApiError, token: str | None) -> ApiError:
    text = str(error)
    if token and len(token) >= _SHORTEST_SECRET and token in text:
        error.args = (text.replace(token, "[token]"),)
    return error
