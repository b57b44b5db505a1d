"""The spec that a command line asks for."""

from __future__ import annotations

import argparse
import sys

from grokcore.spec import ExperimentSpec, load_spec


def spec_of(options: argparse.Namespace) -> ExperimentSpec:
    """The spec of `SPEC --set ... --seed N`; what switching architectures drops is said on stderr.

    Raises:
        InputError: in one line, what is wrong with it.
    """
    overrides = [*options.overrides, *([] if options.seed is None else [f"seed={options.seed}"])]
    return load_spec(options.spec, overrides, notify=say)


def say(line: str) -> None:
    """A remark on stderr, so that stdout stays what was asked for."""
    print(f"grokcore: {line}", file=sys.stderr, flush=True)
