"""Keep gradients orthogonal to their weights: OrthoGrad (arXiv 2501.04697, section 5)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from grokcore.acceleration.filters import orthogonalize_to_weights
from grokcore.training.filters.filter import Filter, Filtered


class OrthoGrad(Filter):
    """Removes from the gradient of each logical parameter what only scales its weight."""

    def __call__(self, filtered: Sequence[Filtered], skipped: Tensor | None) -> None:
        gradients = [part for one in filtered for part in one.layout.split(one.gradient, stacked=self._stacked)]
        weights = [part for one in filtered for part in one.layout.split(one.weight, stacked=self._stacked)]
        orthogonalize_to_weights(gradients, weights, stacked=self._stacked)


FILTER = OrthoGrad
