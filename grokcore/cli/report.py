"""`grokcore report` and `grokcore compare`: write HTML pages about runs."""

from __future__ import annotations

import argparse

from grokcore.cli.specs import say
from grokcore.terminal.output import print_line
from grokcore.terminal.speedups import print_speedups


def report(options: argparse.Namespace) -> None:
    """Write a page about one or more runs."""
    from grokcore.reporting import build_report

    print_line(build_report(options.runs, options.out, notify=say))


def compare(options: argparse.Namespace) -> None:
    """Write page and tables, and print where they are."""
    from grokcore.reporting import build_comparison

    comparison = build_comparison(
        options.runs, options.out, unfinished="skip" if options.skip_unfinished else "refuse", notify=say
    )
    groups = len(comparison.groups)
    print_line(f"{comparison.runs} runs in {groups} group{'' if groups == 1 else 's'} at {comparison.directory}")
    for group in comparison.groups:
        draws = f" on draws {', '.join(map(str, group.draws))} of the data" if len(group.draws) > 1 else ""
        seeds = dict.fromkeys(str(run.spec.seed) for run in group.runs)
        print_line(f"  {group.label}: seeds {', '.join(seeds)}{draws}")
    if comparison.speedups is not None:
        print_speedups(comparison.speedups)
    print_line(comparison.page)
