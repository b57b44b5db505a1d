"""The spec that a command line asks for."""

from __future__ import annotations

import argparse
import re
import sys

from grokcore.cli.output import print_line
from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import open_parent
from grokcore.storage.scheme import check_scheme


def spec_of(options: argparse.Namespace) -> ExperimentSpec:
    """The spec of `SPEC --set ... --seed N`; what switching architectures drops is said on stderr.

    Raises:
        InputError: in one line, what is wrong with it.
    """
    overrides = [*options.overrides, *([] if options.seed is None else [f"seed={options.seed}"])]
    return load_spec(_fetched(options.spec), overrides, notify=say)


def _fetched(source: str) -> str:
    """A spec's name or path as it is, or the text behind its URI."""
    if not any(character.isspace() for character in source):  # else it is a spec itself
        check_scheme(source)
    if re.match(r"[a-z][a-z0-9+.-]*://\S+$", source) is None:
        return source
    store, key = open_parent(source)
    try:
        text = store.read(key).decode()
    except UnicodeDecodeError:
        raise InputError(f"{source} is no text: give the URI of a spec in YAML or JSON") from None
    return text if "\n" in text else f"{text}\n"  # a single line could pass for a name


def say(line: str) -> None:
    """A remark on stderr, so that stdout stays what was asked for."""
    print_line(f"grokcore: {line}", stream=sys.stderr)
