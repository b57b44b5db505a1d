"""Sweeps: expand a specification to points, tune, train all runs as one queue, record and compare.

Describing a sweep needs no torch; the modules that run one are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from grokcore.sweeps.expansion import expand
from grokcore.sweeps.index import SweepIndex, read_index
from grokcore.sweeps.loading import load_sweep, sweep_names
from grokcore.sweeps.loop import loop_items
from grokcore.sweeps.point import Point
from grokcore.sweeps.shard import Shard
from grokcore.sweeps.spec import SweepSpec, TuningSpec

if TYPE_CHECKING:
    from grokcore.sweeps.ledger import SweepResult
    from grokcore.sweeps.run import run_sweep

_RUNS = {"SweepResult": "grokcore.sweeps.ledger", "run_sweep": "grokcore.sweeps.run"}

__all__ = [
    "Point",
    "Shard",
    "SweepIndex",
    "SweepResult",
    "SweepSpec",
    "TuningSpec",
    "expand",
    "load_sweep",
    "loop_items",
    "read_index",
    "run_sweep",
    "sweep_names",
]


def __getattr__(name: str) -> Any:
    if name not in _RUNS:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_RUNS[name]), name)
