"""No filter."""

from __future__ import annotations

from grokcore.training.filters.filter import Filter


class Unfiltered(Filter):
    """Leaves gradients as they are."""

    acts = False


FILTER = Unfiltered
