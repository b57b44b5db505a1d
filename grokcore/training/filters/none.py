"""No filter."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from grokcore.training.filters.filter import Filter, Filtered


class Unfiltered(Filter):
    """Leaves gradients as they are."""

    acts = False

    def __call__(self, filtered: Sequence[Filtered], skipped: Tensor | None) -> None:
        """Do nothing."""


FILTER = Unfiltered
