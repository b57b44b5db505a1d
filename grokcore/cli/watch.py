"""`grokcore watch`: follow one run in detail, or many in a line each."""

from __future__ import annotations

import argparse
import sys
import time

from grokcore.errors import InputError
from grokcore.runs import MANIFEST
from grokcore.runs.follow import follow
from grokcore.runs.journal import last_evaluation
from grokcore.runs.record import read_head
from grokcore.storage import Store, open_store
from grokcore.terminal.display import RunDisplay
from grokcore.terminal.output import print_line
from grokcore.terminal.run_list import RunList

_BACKLOG = 1000
"""Lines that wait to be shown at most."""


def watch(options: argparse.Namespace) -> None:
    """Follow runs until all have ended; Ctrl-C leaves what is shown."""
    stores = [open_store(uri) for uri in options.runs]
    if len(stores) == 1 and stores[0].find(MANIFEST) is not None:
        _watch_one(stores[0])
    else:
        RunList(stores, sys.stdout).follow()


def _watch_one(run: Store) -> None:
    head = read_head(run)
    display = RunDisplay(sys.stdout, run, max_steps=head.spec.training.max_steps)
    try:
        for line in follow(run, lambda: display.lost or has_ended(run), notify=display.tell):
            display.show(line)
            while display.backlog > _BACKLOG and not display.lost:
                time.sleep(0.01)  # a long journal is read faster than it is shown
        reason = read_head(run).manifest.exit_reason
        if reason is not None:
            display.end(reason)
    finally:
        display.close()
    if display.lost:
        return
    last = last_evaluation(run)
    print_line(f"{reason} at step {last['step'] if last else 0}")


def has_ended(run: Store) -> bool:
    """Whether a run's manifest names a reason why training ended.

    Raises:
        TransientError: its store did not answer.
    """
    try:
        manifest = run.read_json(MANIFEST)
    except InputError:
        return False
    return isinstance(manifest, dict) and manifest.get("exit_reason") is not None
