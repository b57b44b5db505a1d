"""The interface of optimizers to the training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.training.filters import FILTERS
from grokcore.training.filters.filter import Filtered


class Optimizer(torch.optim.Optimizer, ABC):
    """An optimizer whose step a CUDA graph can hold and loss scaling can skip.

    All of its state is there from the start, and changes in place. `step` takes the learning rate of a group as a
    number or as a 0-d tensor, which the next replay reads anew, and never reads a value from the device. Groups are
    those of `parameter_groups`.

    Attributes:
        found_inf: 0-d float32; where it is 1, `step` changes neither a weight nor the state. None never skips.
        stacked: whether the first dimension of every weight counts seeds, each trained as if alone.
    """

    found_inf: Tensor | None = None
    by_role = False
    """Whether it treats weights by their roles, so that a group may hold one role only."""

    def __init__(self, groups: list[dict[str, Any]], training: TrainingSpec, *, stacked: bool = False) -> None:
        super().__init__(groups, {"lr": training.learning_rate})
        self.stacked = stacked
        self._filter = FILTERS[training.gradient_filter](training, stacked=stacked)
        self._first = self.param_groups[0]
        self.prepare()

    @abstractmethod
    def initial_state(self, weight: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        """Return the tensors that a step of this weight needs besides it."""

    @abstractmethod
    def update(
        self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]]
    ) -> None:
        """Take the step of one group's weights that have a gradient."""

    def shared_state(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the 0-d tensors that are kept once for all weights, on the device of `weight`, the first."""
        return {}

    def begin_step(self) -> None:
        """Count the step, unless it is skipped; called once for all groups."""

    def prepare(self) -> None:
        """Make the initial state for the weights that the groups hold now, and drop any other.

        DeepSpeed replaces the model's weights in the groups by its own.
        """
        self.state.clear()
        for group in self.param_groups:
            for weight in group["params"]:
                self.state_of(weight, group)
        first = self.param_groups[0]["params"][0]
        self.state[first].update(self.shared_state(first) | self._filter.shared_state(first))

    def state_of(self, weight: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        """Return the state of a weight; DeepSpeed takes a first step, later undone, before `prepare` can be called."""
        state: dict[str, Tensor] = self.state[weight]
        if not state:
            state |= self.initial_state(weight, group) | self._filter.initial_state(weight)
        return state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        if self._first is self.param_groups[0]:  # ZeRO calls it for one group after another: that is one step
            self.begin_step()
            self._filter.begin_step(self.found_inf)
        moving = [
            (group, [weight for weight in group["params"] if weight.grad is not None]) for group in self.param_groups
        ]
        if self._filter.acts:
            self._filter([one for group, _ in moving for one in self._filtered(group)], self.found_inf)
        for group, weights in moving:
            if weights:
                states = [self.state_of(weight, group) for weight in weights]
                self.update(group, weights, [weight.grad for weight in weights], states)

    def _filtered(self, group: dict[str, Any]) -> Iterator[Filtered]:
        # ZeRO puts one shard in the place of a group's weights: what it goes with looks at no layout.
        for weight, layout in zip(group["params"], group["layouts"], strict=False):
            if weight.grad is not None:
                yield Filtered(weight.grad, weight, layout, self.state_of(weight, group))

    def decay(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        """Shrink weights by lr * weight_decay (arXiv 1711.05101)."""
        if group["weight_decay"]:
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"] * self.applied())

    def applied(self) -> Tensor | float:
        """Return 1, or 0 where the step is skipped."""
        return 1.0 if self.found_inf is None else 1 - self.found_inf

    def finite(self, gradients: Sequence[Tensor], instead: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients, or `instead` where the step is skipped, so that state which mixes them in stays."""
        if self.found_inf is None:
            return list(gradients)
        skipped = self.found_inf.bool()
        return [torch.where(skipped, *pair) for pair in zip(instead, gradients, strict=True)]
