"""`grokcore`: the one place where errors become a line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from grokcore.cli.parser import build_parser
from grokcore.errors import EXIT_BAD_INPUT, EXIT_STOPPED, GrokcoreError

_EXTRAS = {
    "run": "all",
    "generate": "data",
    "train": "train",
    "evaluate": "train",
    "report": "report",
    "claims": "report",
    "compare": "report",
    "runs": "data",
    "champion": "data",
    "sweep": "all",
    "spec": "all",
    "pipeline": "pipelines",
    "models": "all",
}
"""The extra that brings what a command needs beyond the base installation."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done; 2 bad input; 75 try again; 143 stopped by a signal after saving; those of `grokcore pipeline` are
        in its help.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = build_parser().parse_args(arguments)
    options.arguments = list(arguments)
    if getattr(options, "metrics_port", None) is not None:
        os.environ["GROKCORE_METRICS_PORT"] = options.metrics_port  # the processes that train read it too
    module, _, function = options.command.partition(":")
    try:
        getattr(importlib.import_module(f"grokcore.cli.{module}"), function)(options)
    except GrokcoreError as error:
        if not error.said and os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes, one says it
            print(f"grokcore: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        package = (error.name or "grokcore").partition(".")[0]
        if package == "grokcore" or options.name not in _EXTRAS:
            raise
        print(
            f"grokcore: {options.name} needs {package}: pip install 'grokcore[{_EXTRAS[options.name]}]'",
            file=sys.stderr,
        )
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_STOPPED
    except BrokenPipeError:
        # The reader has gone (`grokcore presets | head`). Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
