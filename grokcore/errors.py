"""What can go wrong, sorted by what the caller should do about it.

Each error prints as one line and carries the exit code of the command line and of TrainJobs.
A traceback therefore always means a bug in grokcore.
"""

EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_TRANSIENT = 75
EXIT_STOPPED = 143


class GrokcoreError(Exception):
    """An error whose message is one line written for the person who reads it."""

    exit_code = 1


class InputError(GrokcoreError, ValueError):
    """The input is wrong; trying again without changing it cannot help."""

    exit_code = EXIT_BAD_INPUT


class AbsentError(InputError):
    """What should be read is not there."""


class TransientError(GrokcoreError, RuntimeError):
    """Something outside failed that may work at the next attempt."""

    exit_code = EXIT_TRANSIENT


class StoppedError(GrokcoreError):
    """SIGINT or SIGTERM arrived; everything was saved before leaving."""

    exit_code = EXIT_STOPPED
