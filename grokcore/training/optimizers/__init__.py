"""Optimizers, one file each, named as in `training.optimizer`.

A file `NAME.py` defines `OPTIMIZER`, a class made with the parameter groups and the training spec. Other packages may
add theirs.
"""

from __future__ import annotations

from typing import Any, get_args

from grokcore.spec.implementations import implementations
from grokcore.spec.plugins import Plugin, Registry
from grokcore.spec.training import OptimizerName
from grokcore.training.optimizers.optimizer import Optimizer


def _accept(found: Plugin, definition: Any) -> type[Optimizer]:
    if isinstance(definition, type) and issubclass(definition, Optimizer):
        return definition
    raise found.refuse("its entry point must name a class derived from grokcore.training.optimizers.Optimizer")


OPTIMIZERS: Registry[type[Optimizer]] = Registry(
    "optimizer", implementations(__name__, get_args(OptimizerName), "OPTIMIZER"), _accept
)
