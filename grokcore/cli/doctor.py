"""`grokcore doctor`: what works on this machine, in one table."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import chain

from grokcore.cli.checks import cluster, machine, store
from grokcore.cli.checks.check import Check
from grokcore.cli.output import print_line
from grokcore.errors import InputError
from grokcore.storage.layout import STORE_VARIABLE


def doctor(options: argparse.Namespace) -> None:
    """Print a row for each check as it is made.

    Raises:
        InputError: the store or the cluster that was asked about does not do what training needs.
    """
    failed = []
    for check in _checks(options):
        print_line(f"{check.name:<20}  {check.found:<24}  {check.remark}".rstrip())
        if check.verdict == "failed":
            failed.append(check.name.strip())
    if failed:
        raise InputError(f"not all is well: {', '.join(failed)}; see the table")


def _checks(options: argparse.Namespace) -> Iterator[Check]:
    uri = options.store or os.environ.get(STORE_VARIABLE, "")
    return chain(
        machine.versions(),
        machine.hardware(),
        machine.directories(),
        store.store(uri) if uri else (),
        cluster.cluster() if options.cluster or cluster.in_cluster() else (),
    )
