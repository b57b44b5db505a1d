"""AdamW (arXiv 1711.05101)."""

from __future__ import annotations

from typing import Any

import torch

from grokcore.spec import TrainingSpec


def adamw(groups: list[dict[str, Any]], training: TrainingSpec) -> torch.optim.Optimizer:
    """AdamW in torch's fused form: one pass over the weights, and no synchronisation under loss scaling."""
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=training.betas, eps=training.epsilon, fused=True)
