"""The registry of every kind of part that other packages may offer, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from grokcore.spec.plugins import Kind

_HOMES: dict[Kind, str] = {
    "task": "grokcore.tasks:TASKS",
    "architecture": "grokcore.models.fast:FAST_ARCHITECTURES",
    "optimizer": "grokcore.training.optimizers:OPTIMIZERS",
    "loss": "grokcore.training.losses:LOSSES",
    "filter": "grokcore.training.filters:FILTERS",
    "projection": "grokcore.training.projections:PROJECTIONS",
}


def _registry(home: str) -> Callable[[], Mapping[str, Any]]:
    module, _, name = home.partition(":")
    return lambda: getattr(import_module(module), name)


REGISTRIES: dict[Kind, Callable[[], Mapping[str, Any]]] = {kind: _registry(home) for kind, home in _HOMES.items()}
