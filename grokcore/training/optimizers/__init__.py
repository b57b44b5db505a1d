"""Optimizers, one file each, named as in `training.optimizer`.

A file `NAME.py` defines `OPTIMIZER`, a class made with the parameter groups and the training spec.
"""

from __future__ import annotations

from typing import get_args

from grokcore.spec.implementations import implementations
from grokcore.spec.training import OptimizerName
from grokcore.training.optimizers.optimizer import Optimizer

OPTIMIZERS: dict[str, type[Optimizer]] = implementations(__name__, get_args(OptimizerName), "OPTIMIZER")
