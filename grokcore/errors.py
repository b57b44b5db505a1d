"""What can go wrong, sorted by what the caller should do about it.

Each error prints as one line and carries the exit code of the command line and of TrainJobs.
A traceback therefore always means a bug in grokcore.
"""

from __future__ import annotations

import errno
import re
from typing import Any

EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_TRANSIENT = 75
EXIT_STOPPED = 143

_USER = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s]*@")
_SECRET = re.compile(r"([?&;][^=&\s]*(?:sig|token|secret|passw|key|cred|auth|code)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE)
_LONGEST = 4000
"""Characters of a message: what it quotes may have millions."""


class GrokcoreError(Exception):
    """An error whose message is one line written for the person who reads it.

    What it quotes of a file or a command line may hold anything: line ends become blanks, what cannot be printed is
    escaped. A URL in it loses what may be secret.

    Attributes:
        reported: whether another process of the same training reports it, so that this one need not.
    """

    exit_code = 1
    reported = False

    def __init__(self, message: str = "") -> None:
        message = redacted(message)
        super().__init__(printable(message if len(message) <= _LONGEST else f"{message[: _LONGEST - 3]}..."))


class InputError(GrokcoreError, ValueError):
    """The input is wrong; trying again without changing it cannot help."""

    exit_code = EXIT_BAD_INPUT


class AbsentError(InputError):
    """What should be read is not there."""


class DamagedError(InputError):
    """What was read is not what was written. A reader that has an older copy may go on with that."""


class TransientError(GrokcoreError, RuntimeError):
    """Something outside failed that may work at the next attempt."""

    exit_code = EXIT_TRANSIENT


class UnreadableError(TransientError):
    """A disk failed to read what it holds. A reader that has an older copy may go on with that."""


class StoppedError(GrokcoreError):
    """SIGINT or SIGTERM arrived; everything was saved before leaving."""

    exit_code = EXIT_STOPPED


def redacted(text: str) -> str:
    """`text` with `***` for the user and password of each URL in it, and for what its query signs or opens it with."""
    return _SECRET.sub(r"\1***", _USER.sub(r"\1***@", text)) if "://" in text else text


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "bad_alloc")
"""What torch says where memory is short: a RuntimeError on a CPU and on some GPU paths."""

_OF_THE_INPUT = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL, errno.EXDEV, errno.ENODEV, errno.ENXIO, errno.ESPIPE),
}
"""Numbers of errors that another path or other rights would mend; all others are the machine's."""


def is_of_the_input(error: OSError) -> bool:
    """Whether an operating system's error comes of what was asked for: the same call would meet it again."""
    return error.errno is None or error.errno in _OF_THE_INPUT


def error_of_the_machine(error: BaseException) -> TransientError | None:
    """The line for an exception that the machine is the cause of: memory, disk space, handles; None for any other."""
    text = str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)
    ):
        return TransientError(
            "out of memory: free some, or make the model, training.batch_size or evaluation.batch_size smaller"
        )
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return TransientError("no further thread can be started: try again when less is running here")
    if isinstance(error, BrokenPipeError) or not isinstance(error, OSError) or is_of_the_input(error):
        return None
    return TransientError(f"{error.strerror or type(error).__name__}: try again once that has passed")


def printable(text: str) -> str:
    """`text` in one line, without characters that a terminal obeys or that no encoding has."""
    return "".join(map(_printable, text)) if not text.isprintable() else text


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


_ERRORS = {error.__name__: error for error in (GrokcoreError, InputError, StoppedError, TransientError)}


def encode_error(error: GrokcoreError) -> dict[str, Any]:
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _ERRORS)  # of those with a code
    return {"error": kind, "message": str(error)}


def decode_error(message: dict[str, Any]) -> GrokcoreError:
    return _ERRORS[message["error"]](message["message"])
