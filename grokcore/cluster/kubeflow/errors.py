"""What ends a command about pipelines, each with an exit code of its own, so that a CI job can tell them apart."""

from __future__ import annotations

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
