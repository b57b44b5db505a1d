"""Filters that an optimizer applies to its gradients before its step, one file each, as in `training.gradient_filter`.

A file `NAME.py` defines `FILTER`, a class made with the training spec. Filters see the clipped gradient. They are part
of the optimizer, so that every engine, a CUDA graph and stacked seeds do the same, and their state is saved with its
own.
"""

from __future__ import annotations

from typing import Any, get_args

from grokcore.spec.implementations import implementations
from grokcore.spec.plugins import Plugin, Registry
from grokcore.spec.training import GradientFilterName
from grokcore.training.filters.filter import Filter


def _accept(found: Plugin, definition: Any) -> type[Filter]:
    if isinstance(definition, type) and issubclass(definition, Filter):
        return definition
    raise found.refuse("its entry point must name a class derived from grokcore.training.filters.filter.Filter")


FILTERS: Registry[type[Filter]] = Registry(
    "filter", implementations(__name__, get_args(GradientFilterName), "FILTER"), _accept
)
