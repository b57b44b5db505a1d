"""Sum up the tests that were skipped because a program or a package is missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_REASON = re.compile(r"no (?P<program>.+) here: (?P<remedy>.+)")
"""How a skip for want of a program is worded: `no promtool here: apt-get install prometheus`."""


def missing_programs(reasons: Iterable[str]) -> list[str]:
    """Return a line for each missing program, most skipped tests first.

    Args:
        reasons: one for each skipped test; those of another kind are left out.
    """
    found = Counter(match.groups() for reason in reasons if (match := _REASON.search(reason)))
    return [
        f"{program}: {count} {'test' if count == 1 else 'tests'} ({remedy})"
        for (program, remedy), count in found.most_common()
    ]
