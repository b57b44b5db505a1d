"""The interface of gradient filters to the optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from grokcore.models.roles import Layout
from grokcore.spec import TrainingSpec


class Filtered(NamedTuple):
    """A gradient to filter in place, with its weight, how both are stored, and the filter's state of this weight."""

    gradient: Tensor
    weight: Tensor
    layout: Layout
    state: dict[str, Tensor]


class Filter(ABC):
    """Changes gradients in place before an optimizer's step.

    Attributes:
        acts: whether it does anything.
    """

    acts = True

    def __init__(self, training: TrainingSpec, *, stacked: bool = False) -> None:
        """
        Args:
            stacked: the first dimension of every weight counts seeds, each filtered as if alone.
        """
        self._training, self._stacked = training, stacked

    def initial_state(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the tensors that filtering this weight's gradient needs."""
        return {}

    def shared_state(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the 0-d tensors that are kept once for all weights, on the device of `weight`, the first."""
        return {}

    def begin_step(self, skipped: Tensor | None) -> None:  # noqa: B027 - most filters count nothing
        """Count the step, unless it is skipped; called once for all groups."""

    @abstractmethod
    def __call__(self, filtered: Sequence[Filtered], skipped: Tensor | None) -> None:
        """Change gradients in place; where `skipped`, 0-d, is 1, change no state, and leave any gradient."""
