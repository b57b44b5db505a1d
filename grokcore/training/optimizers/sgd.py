"""Stochastic gradient descent with momentum, and weight decay decoupled from the gradient as in AdamW."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """SGD with betas[0] as momentum: w <- (1 - lr * decay) * w - lr * velocity (arXiv 1711.05101, algorithm 1)."""

    def __init__(self, groups: list[dict[str, Any]], training: TrainingSpec, *, stacked: bool = False) -> None:
        self._momentum = training.betas[0]
        super().__init__(groups, training, stacked=stacked)

    def initial_state(self, weight: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(weight)} if self._momentum else {}

    def update(
        self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]]
    ) -> None:
        self.decay(group, weights)
        torch._fused_sgd_(
            weights,
            gradients,
            [state["momentum_buffer"] for state in states] if self._momentum else [],
            weight_decay=0.0,
            momentum=self._momentum,
            lr=group["lr"],
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,  # the first velocity is the gradient, since the buffers start at 0
            found_inf=self.found_inf,
        )


OPTIMIZER = SGD
