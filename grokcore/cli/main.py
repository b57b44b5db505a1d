"""Entry point of the `grokcore` command: run a command, turn errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from grokcore.errors import (
    EXIT_BAD_INPUT,
    EXIT_STOPPED,
    EXIT_TRANSIENT,
    GrokcoreError,
    InputError,
    error_of_the_machine,
    printable,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_EXTRAS = {
    "run": "all",
    "generate": "data",
    "train": "train",
    "evaluate": "train",
    "analyze": "train",
    "report": "report",
    "claims": "report",
    "compare": "report",
    "runs": "data",
    "champion": "data",
    "record": "data",
    "sweep": "all",
    "spec": "all",
    "pipeline": "pipelines",
    "models": "all",
    "accelerators": "train",
}
"""Extra of the package that each command needs beyond the base installation."""


_OF_A_STREAM = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EINVAL)
"""Errors of writing to standard output; they come without a file name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 success; 2 bad input; 75 transient failure, retry; 143 stopped by a signal after saving. The help of
        `grokcore pipeline` lists its own.
    """
    _open_standard_streams()
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, so that a full disk is reported below
    except KeyboardInterrupt:
        return EXIT_STOPPED
    except BrokenPipeError:  # the reader has exited (`grokcore presets | head`)
        _discard_stdout()
        return 0
    except (OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _OF_A_STREAM:
            _discard_stdout()
            _print_error(f"cannot write to standard output: {error.strerror or error}")
            return EXIT_TRANSIENT
        cause = error_of_the_machine(error)
        if cause is None:
            raise
        _print_error(str(cause))
        return cause.exit_code


def _run(arguments: Sequence[str]) -> int:
    # Imported here, where main() handles Ctrl-C: loading the parser takes a tenth of a second.
    import importlib

    from grokcore.cli.parser import build_parser

    options = build_parser().parse_args(arguments)
    options.arguments = list(arguments)
    if getattr(options, "metrics_port", None) is not None:
        os.environ["GROKCORE_METRICS_PORT"] = options.metrics_port  # training processes read it too
    if getattr(options, "track", None):
        os.environ["GROKCORE_TRACK"] = ",".join(options.track)  # read by every process that trains or reports
    module, _, function = options.command.partition(":")
    try:
        _take_standard_input(options)
        getattr(importlib.import_module(f"grokcore.cli.{module}"), function)(options)
    except GrokcoreError as error:
        if not error.reported and os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes, rank 0 prints
            _print_error(str(error))
        return error.exit_code
    except ModuleNotFoundError as error:
        package = (error.name or "grokcore").partition(".")[0]
        if package == "grokcore" or options.name not in _EXTRAS:
            raise
        _print_error(f"{options.name} needs {package}: pip install 'grokcore[{_EXTRAS[options.name]}]'")
        return EXIT_BAD_INPUT
    return 0


def _take_standard_input(options: argparse.Namespace) -> None:
    """Put the text on standard input in the place of a spec or sweep named `-`; other processes of a training get it.

    Raises:
        InputError: it is empty, or no text.
    """
    for name in ("spec", "sweep"):
        if getattr(options, name, None) != "-":
            continue
        try:
            text = sys.stdin.buffer.read().decode() if sys.stdin is not None else ""
        except UnicodeDecodeError:
            raise InputError("standard input is not text: pipe a spec in YAML or JSON into it") from None
        if not text.strip():
            raise InputError(
                "there is nothing on standard input, which `-` stands for: pipe a spec in YAML or JSON into it"
            )
        text = f"{text.rstrip()}\n"  # the newline marks it as content, not a name
        setattr(options, name, text)
        options.arguments[options.arguments.index("-")] = text


def _print_error(line: str) -> None:
    """Print a line to stderr, ignoring failures: it may be closed or full as well."""
    from contextlib import suppress

    with suppress(OSError, ValueError):
        print(f"grokcore: {printable(line)}", file=sys.stderr, flush=True)


def _discard_stdout() -> None:
    """Redirect stdout to /dev/null, or Python would report the same error again when it flushes at exit."""
    from contextlib import suppress

    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_standard_streams() -> None:
    """Open missing standard streams (`>&-`) on /dev/null.

    Otherwise the next file that is opened, such as a journal, takes the free descriptor, and output goes into it.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process lives
