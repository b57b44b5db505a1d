"""Amplify the slow part of the gradients: Grokfast-EMA (arXiv 2405.20233)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from grokcore.acceleration.filters import amplify_slow
from grokcore.training.filters.filter import Filter, Filtered


class Grokfast(Filter):
    """Keeps a moving average of every gradient, of decay `filter_decay`, and adds `filter_gain` times it."""

    def initial_state(self, weight: Tensor) -> dict[str, Tensor]:
        return {"gradient_average": torch.zeros_like(weight)}

    def shared_state(self, weight: Tensor) -> dict[str, Tensor]:
        self._share = torch.ones((), device=weight.device)
        self._steps = torch.zeros((), device=weight.device)
        return {"filter_steps": self._steps}

    def begin_step(self, skipped: Tensor | None) -> None:
        first = (self._steps == 0).float()
        self._share.copy_(first + (1 - first) * (1 - self._training.filter_decay))
        self._steps += 1 if skipped is None else 1 - skipped

    def __call__(self, filtered: Sequence[Filtered], skipped: Tensor | None) -> None:
        gradients = [one.gradient for one in filtered]
        averages = [one.state["gradient_average"] for one in filtered]
        if skipped is not None:  # a gradient that equals its average does not change it
            for gradient, average in zip(gradients, averages, strict=True):
                torch.where(skipped.bool(), average, gradient, out=gradient)
        amplify_slow(gradients, averages, self._share, self._training.filter_gain)


FILTER = Grokfast
