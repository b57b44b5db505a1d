"""Load the spec that a command line names."""

from __future__ import annotations

import argparse
import re
import sys

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import open_parent
from grokcore.storage.scheme import check_scheme
from grokcore.terminal.output import print_line


def spec_of(options: argparse.Namespace) -> ExperimentSpec:
    """Load the spec of `SPEC --set ... --seed N`; fields dropped by a switch of architecture or task go to stderr.

    Raises:
        InputError: the field at fault, what is wrong and what is allowed.
    """
    overrides = [*options.overrides, *([] if options.seed is None else [f"seed={options.seed}"])]
    return load_spec(_fetched(options.spec), overrides, notify=say)


def _fetched(source: str) -> str:
    """Return a name or path unchanged, or download the text of a URI."""
    if not any(character.isspace() for character in source):  # with whitespace it is an inline spec
        check_scheme(source)
    if re.match(r"[a-z][a-z0-9+.-]*://\S+$", source) is None:
        return source
    store, key = open_parent(source)
    try:
        text = store.read(key).decode()
    except UnicodeDecodeError:
        raise InputError(f"{source} is not a text file: give the URI of a spec in YAML or JSON") from None
    return text if "\n" in text else f"{text}\n"  # the newline marks it as content, not a name


def say(line: str) -> None:
    """Print a remark to stderr; stdout is for results."""
    print_line(f"grokcore: {line}", stream=sys.stderr)
