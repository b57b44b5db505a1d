"""Optimisers by name, one file each: `(groups, training) -> torch.optim.Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.adamw import adamw
from grokcore.training.optimizers.sgd import sgd

OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], TrainingSpec], Optimizer]] = {"adamw": adamw, "sgd": sgd}
