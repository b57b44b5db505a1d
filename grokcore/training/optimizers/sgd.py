"""Stochastic gradient descent with momentum, and weight decay decoupled from the gradient as in AdamW."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """SGD with betas[0] as momentum: w <- (1 - lr * decay) * w - lr * velocity (arXiv 1711.05101, algorithm 1)."""

    def __init__(self, groups: list[dict[str, Any]], training: TrainingSpec) -> None:
        super().__init__(groups, {"lr": training.learning_rate})
        self._momentum = training.betas[0]
        self.prepare()

    def prepare(self) -> None:
        self.state.clear()
        if self._momentum:
            for group in self.param_groups:
                for weight in group["params"]:
                    self.state[weight] = {"momentum_buffer": torch.zeros_like(weight)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            if group["weight_decay"]:
                decay = group["lr"] * group["weight_decay"]
                torch._foreach_mul_(weights, 1 - (decay if self.found_inf is None else decay * (1 - self.found_inf)))
            torch._fused_sgd_(
                weights,
                [weight.grad for weight in weights],
                [self._momentum_of(weight) for weight in weights] if self._momentum else [],
                weight_decay=0.0,
                momentum=self._momentum,
                lr=group["lr"],
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=False,  # the first velocity is the gradient, since the buffers start at 0
                found_inf=self.found_inf,
            )

    def _momentum_of(self, weight: Tensor) -> Tensor:
        """Return the state of a weight; DeepSpeed takes a first step, later undone, before `prepare` can be called."""
        state: dict[str, Tensor] = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        return state["momentum_buffer"]


OPTIMIZER = SGD
