"""Scale the gradient of the whole model to norm 1, the control of methods whose updates are as long at every step."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from grokcore.acceleration.filters import normalize
from grokcore.training.filters.filter import Filter, Filtered


class Normalize(Filter):
    """Divides all gradients by their common norm (arXiv 2504.17243, which reports most of its gain from this alone)."""

    def __call__(self, filtered: Sequence[Filtered], skipped: Tensor | None) -> None:
        normalize([one.gradient for one in filtered], stacked=self._stacked)


FILTER = Normalize
