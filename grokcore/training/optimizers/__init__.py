"""Optimisers by name, one file each: `(groups, training) -> Optimizer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.adam import Adam
from grokcore.training.optimizers.adamw import AdamW
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.optimizers.sgd import SGD

OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], TrainingSpec], Optimizer]] = {
    "adamw": AdamW,
    "adam": Adam,
    "sgd": SGD,
}
