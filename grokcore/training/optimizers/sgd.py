"""Stochastic gradient descent with momentum, and weight decay decoupled from the gradient as in AdamW."""

from __future__ import annotations

from typing import Any

import torch

from grokcore.spec import TrainingSpec


def sgd(groups: list[dict[str, Any]], training: TrainingSpec) -> torch.optim.Optimizer:
    """SGD with betas[0] as momentum: w <- (1 - lr * decay) * w - lr * velocity (arXiv 1711.05101, algorithm 1)."""
    optimizer = torch.optim.SGD(
        [{**group, "weight_decay": 0.0, "decoupled_weight_decay": group["weight_decay"]} for group in groups],
        lr=training.learning_rate,
        momentum=training.betas[0],
    )
    optimizer.register_step_pre_hook(_decay)
    return optimizer


@torch.no_grad()
def _decay(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    for group in optimizer.param_groups:
        if group["decoupled_weight_decay"]:
            torch._foreach_mul_(group["params"], 1 - group["lr"] * group["decoupled_weight_decay"])
