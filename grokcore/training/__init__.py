"""Training: the loop, engines, optimizers, losses and checkpoints; one run, or several seeds at once.

torch is imported when `train_model` is first used: a process that only starts and watches others does without.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# OpenMP's threads spin while they wait for each other. Long spinning starves them where other work shares the cores,
# and going to sleep at once costs a small model the gain of its second thread; a short spin has neither fault. OpenMP
# reads this when torch is first loaded, so it stands before that.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# cuBLAS gives the same sums in every run only with a workspace of fixed size, named before it is loaded.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from grokcore.runs.resume import TrainResult
from grokcore.training.seeds import train_seeds

if TYPE_CHECKING:
    from grokcore.training.callbacks import TrainingContext
    from grokcore.training.train import train_model

__all__ = ["TrainResult", "TrainingContext", "train_model", "train_seeds"]

_HOMES = {"TrainingContext": "grokcore.training.callbacks", "train_model": "grokcore.training.train"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_HOMES[name]), name)
