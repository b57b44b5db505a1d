"""Errors, by what the caller should do about them.

Each error is one line and carries the exit code of commands and TrainJobs. A traceback therefore always means a bug in
grokcore.
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Sequence
from typing import Any

EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_TRANSIENT = 75
EXIT_STOPPED = 143

_USER = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s]*@")
_SECRET = re.compile(r"([?&;][^=&\s]*(?:sig|token|secret|passw|key|cred|auth|code)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE)
_LONGEST = 4000
"""Maximum characters of a message, which may quote long text."""


class GrokcoreError(Exception):
    """An error with a one-line message for the user.

    Quoted text may contain anything: line ends become blanks, unprintable characters are escaped, and secrets in URLs
    are redacted.

    Attributes:
        reported: whether another process of the same training reports it, so that this one need not.
    """

    exit_code = 1
    reported = False

    def __init__(self, message: str = "") -> None:
        message = redacted(message)
        super().__init__(printable(message if len(message) <= _LONGEST else f"{message[: _LONGEST - 3]}..."))


class InputError(GrokcoreError, ValueError):
    """The input is wrong; a retry without changing it does not help."""

    exit_code = EXIT_BAD_INPUT


class AbsentError(InputError):
    """A file or object to read does not exist."""


class DamagedError(InputError):
    """Content differs from what was written. A reader may fall back to an older copy."""


class DeniedError(GrokcoreError):
    """Access is denied, which says nothing about what is there; permissions must be changed before a retry.

    Not an InputError: a reader may take that for an absent or damaged file, and write it anew.
    """

    exit_code = EXIT_BAD_INPUT


class TransientError(GrokcoreError, RuntimeError):
    """An external failure; a retry may succeed."""

    exit_code = EXIT_TRANSIENT


class BusyError(TransientError):
    """Another process is writing the same run."""


class UnreadableError(TransientError):
    """A disk failed to read a file. A reader may fall back to an older copy."""


class StoppedError(GrokcoreError):
    """Stopped by SIGINT or SIGTERM, after saving."""

    exit_code = EXIT_STOPPED


def redacted(text: str) -> str:
    """Replace user, password and secret query values of each URL in `text` by `***`."""
    return _SECRET.sub(r"\1***", _USER.sub(r"\1***@", text)) if "://" in text else text


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "bad_alloc")
"""Messages of torch's RuntimeErrors when memory is short, on a CPU and on some GPU paths."""

_OF_THE_INPUT = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL, errno.EXDEV, errno.ENODEV, errno.ENXIO, errno.ESPIPE),
}
"""Numbers of errors caused by the path or its permissions; all others are caused by the machine."""


def is_of_the_input(error: OSError) -> bool:
    """Whether an OSError is caused by the request: a retry would fail again."""
    return error.errno is None or error.errno in _OF_THE_INPUT


def error_of_the_machine(error: BaseException) -> TransientError | None:
    """Translate an exception caused by the machine (memory, disk space, handles); None for any other."""
    text = str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)
    ):
        return TransientError(
            "out of memory: free some, or make the model, training.batch_size or evaluation.batch_size smaller"
        )
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return TransientError("cannot start another thread: try again when fewer processes are running")
    if isinstance(error, BrokenPipeError) or not isinstance(error, OSError) or is_of_the_input(error):
        return None
    return TransientError(f"{error.strerror or type(error).__name__}: try again later")


def printable(text: str) -> str:
    """Return `text` in one line, without control characters and lone surrogates."""
    return "".join(map(_printable, text)) if not text.isprintable() else text


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


_ERRORS = {
    error.__name__: error for error in (GrokcoreError, InputError, DeniedError, StoppedError, TransientError, BusyError)
}


def encode_error(error: GrokcoreError) -> dict[str, Any]:
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _ERRORS)
    return {"error": kind, "message": str(error)}


def decode_error(message: dict[str, Any]) -> GrokcoreError:
    return _ERRORS[message["error"]](message["message"])


def nearest(name: str, known: Sequence[str]) -> str:
    """Return `did you mean X? ` if a known name is close to `name`, else an empty text."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}? " if near else ""
