"""`grokcore record`: add, check and list the shortest times to grok."""

from __future__ import annotations

import argparse
from pathlib import Path

from grokcore.cli.specs import spec_of
from grokcore.errors import InputError
from grokcore.leaderboard.track import LEAST_SEEDS, check_recipe, seeds_of, track_of
from grokcore.spec import resolve
from grokcore.terminal.output import print_line


def add(options: argparse.Namespace) -> None:
    """Make an entry from finished runs, and write the pages anew."""
    from grokcore.leaderboard.adding import add_entry
    from grokcore.leaderboard.pages import write_pages

    if options.trials < 0:
        raise InputError(f"--trials {options.trials} must be at least 0")
    track, folder = track_of(options.preset, options.split), Path(options.out)
    stored = add_entry(options.runs, track, folder, name=options.name, title=options.title, trials=options.trials)
    write_pages(folder)
    print_line(f"{stored.folder}: {track.target} on {stored.entry.machine}")
    for unit, figures in stored.entry.figures.items():
        print_line(f"  {unit}: median {figures.median:,.6g}, mean {figures.mean:,.6g} of {len(figures.values)} seeds")


def check(options: argparse.Namespace) -> None:
    """Judge all entries anew.

    Raises:
        InputError: there is no entry, or one is not valid.
    """
    from grokcore.leaderboard.checking import problems_in
    from grokcore.leaderboard.pages import entry_files

    folder = Path(options.folder)
    number = len(entry_files(folder))
    if not number:
        raise InputError(f"there is no entry in {folder}: nothing was checked")
    problems = list(problems_in(folder))
    for problem in problems[1:]:
        print_line(problem)
    if problems:
        raise InputError(problems[0])
    print_line(f"checked {number} {'entry' if number == 1 else 'entries'} in {folder}: each follows from its journals")


def table(options: argparse.Namespace) -> None:
    """Write the pages of all entries."""
    from grokcore.leaderboard.pages import write_pages

    write_pages(Path(options.folder))


def seeds(options: argparse.Namespace) -> None:
    """Print the seeds of a spec, as `--seeds` takes them."""
    if options.count < LEAST_SEEDS:
        raise InputError(f"--count {options.count} must be at least {LEAST_SEEDS}")
    recipe = resolve(spec_of(options))
    if options.preset is not None:
        check_recipe(recipe, track_of(options.preset))
    numbers = seeds_of(recipe, options.count)
    print_line(f"{numbers[0]}..{numbers[-1]}")
