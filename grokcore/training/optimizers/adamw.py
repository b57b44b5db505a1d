"""AdamW (arXiv 1711.05101)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.optimizer import Optimizer


class AdamW(Optimizer):
    """AdamW in torch's fused kernel: one pass over the weights.

    It gives the same numbers as `torch.optim.AdamW(fused=True)`, with one step counter instead of one for each weight:
    counting those takes longer on a CPU than updating a small model.
    """

    update = staticmethod(torch._fused_adamw_)

    def __init__(self, groups: list[dict[str, Any]], training: TrainingSpec) -> None:
        super().__init__(groups, {"lr": training.learning_rate})
        self._betas, self._epsilon = training.betas, training.epsilon
        self._first = self.param_groups[0]
        self.prepare()

    def prepare(self) -> None:
        self.state.clear()
        weights = [weight for group in self.param_groups for weight in group["params"]]
        for weight in weights:
            self.state[weight] = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
        self._steps = torch.zeros((), device=weights[0].device)
        self.state[weights[0]]["step"] = self._steps

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        if self._first is self.param_groups[0]:  # ZeRO calls it for one group after another: that is one step
            self._steps += 1 if self.found_inf is None else 1 - self.found_inf
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            states = [self._state_of(weight) for weight in weights]
            self.update(
                weights,
                [weight.grad for weight in weights],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [self._steps] * len(weights),
                lr=group["lr"],
                beta1=self._betas[0],
                beta2=self._betas[1],
                weight_decay=group["weight_decay"],
                eps=self._epsilon,
                amsgrad=False,
                maximize=False,
                found_inf=self.found_inf,
            )

    def _state_of(self, weight: Tensor) -> dict[str, Tensor]:
        """Return the state of a weight; DeepSpeed takes a first step, later undone, before `prepare` can be called."""
        state: dict[str, Tensor] = self.state[weight]
        if "exp_avg" not in state:
            state |= {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
        return state


OPTIMIZER = AdamW
