"""The parser class, and the arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from typing import Any

SPEC = (
    "name of a preset (see `grokcore presets`), a YAML or JSON file, a URI such as that of a run's spec.yaml, or - for "
    "standard input"
)
RESUME = (
    "auto resumes an existing run or starts a new one; never refuses an existing run; require refuses to start a new "
    "one (default: %(default)s)"
)


class Parser(argparse.ArgumentParser):
    """A parser that reports help it could not write; argparse ignores a full disk and exits with 0."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)


def command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, function: str, summary: str
) -> argparse.ArgumentParser:
    """Add a command that calls `function`, given as `module:function`, and return its parser."""
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(name=name, command=function)
    return parser


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add --metrics-port."""
    parser.add_argument(
        "--metrics-port",
        metavar="PORT",
        help="serve Prometheus metrics of the training on this port; 0 picks a free one, off serves none "
        "(default: GROKCORE_METRICS_PORT, else off)",
    )


def add_track(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --track, collected in `track`."""
    parser.add_argument(
        "--track",
        action="append",
        metavar="NAME",
        help=f"{what}: mlflow (the server that MLFLOW_TRACKING_URI names) or tensorboard (event files in the run, or "
        "below GROKCORE_TENSORBOARD_DIR); can be repeated (default: GROKCORE_TRACK, else none)",
    )


def add_overrides(
    parser: argparse.ArgumentParser, summary: str = "change a field, for example --set model.layers=4"
) -> None:
    """Add --set FIELD=VALUE, collected in `overrides`."""
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help=f"{summary}; can be repeated",
    )


def add_spec(parser: argparse.ArgumentParser, *, optional: bool = False, seeds: bool = False) -> None:
    """Add SPEC, --set, --seed, and optionally --seeds."""
    parser.add_argument("spec", metavar="SPEC", nargs="?" if optional else None, help=SPEC)
    add_overrides(parser)
    seed = parser.add_mutually_exclusive_group()
    seed.add_argument(
        "--seed", type=int, metavar="N", help="seed of initialization and batch order (the same as --set seed=N)"
    )
    if seeds:
        seed.add_argument(
            "--seeds",
            metavar="LIST",
            help="train several seeds, for example 0..7 or 0,3,5; each run goes to OUT/seed-N",
        )
