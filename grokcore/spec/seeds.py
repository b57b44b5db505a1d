"""Lists of seeds as people write them."""

from __future__ import annotations

import re

from grokcore.errors import InputError

MOST_SEEDS = 1000
"""Seeds of one command at most: beyond it stands a slip of the finger."""


def parse_seeds(text: str, what: str = "--seeds") -> list[int]:
    """`0..3,8` as [0, 1, 2, 3, 8].

    Args:
        what: what errors call the list.

    Raises:
        InputError: it is no list of seeds and ranges, or names a seed twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,18})(?:\.\.(\d{1,18}))?", part.strip(), re.ASCII)
        if found is None:
            raise InputError(f"{what} {text}: {part.strip()!r} is no seed; write 0..7, or 0,3,5, or 0..3,8")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise InputError(f"{what} {text}: the range {part.strip()} runs backwards; write {last}..{first}")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise InputError(f"{what} {text}: that is more than {MOST_SEEDS} seeds; train them in several commands")
        seeds += range(first, last + 1)
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        raise InputError(f"{what} {text}: seed {twice} is named twice; name each once")
    return seeds
