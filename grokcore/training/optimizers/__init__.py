"""Optimizers, one file each, named as in `training.optimizer`.

A file `NAME.py` defines `OPTIMIZER`, a callable `(groups, training) -> Optimizer`; a parameter group has `params` and
`weight_decay`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from grokcore.spec import TrainingSpec
from grokcore.spec.implementations import implementations
from grokcore.spec.training import OptimizerName
from grokcore.training.optimizers.optimizer import Optimizer

OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], TrainingSpec], Optimizer]] = implementations(
    __name__, get_args(OptimizerName), "OPTIMIZER"
)
