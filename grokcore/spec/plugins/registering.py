"""Optimizers, losses, filters and projections of a notebook or script: known in its process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from grokcore.spec.plugins.installed import Kind, register

T = TypeVar("T")


def register_optimizer(name: str) -> Callable[[type[T]], type[T]]:
    """Make a subclass of `grokcore.training.optimizers.Optimizer` known in this process as `training.optimizer=NAME`.

    A decorator, as the others here. The same name again replaces it; ids of runs cover its source.

    Raises:
        InputError: the name is taken or is none, or the source is not known.
    """
    return _registering("optimizer", name)


def register_filter(name: str) -> Callable[[type[T]], type[T]]:
    """Make a subclass of `grokcore.training.filters.filter.Filter` known as `training.gradient_filter=NAME`."""
    return _registering("filter", name)


def register_loss(name: str) -> Callable[[T], T]:
    """Make a function (logits (N, V), targets (N,), label_smoothing) -> scalar known as `training.loss=NAME`."""
    return _registering("loss", name)


def register_projection(name: str) -> Callable[[T], T]:
    """Make a function (weights, layouts, training, skipped) -> None known as `training.projection=NAME`."""
    return _registering("projection", name)


def _registering(kind: Kind, name: str) -> Callable[[Any], Any]:
    def registered(part: Any) -> Any:
        register(kind, name, part, part)
        return part

    return registered
