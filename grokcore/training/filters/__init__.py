"""Filters that an optimizer applies to its gradients before its step, one file each, as in `training.gradient_filter`.

A file `NAME.py` defines `FILTER`, a class made with the training spec. Filters see the clipped gradient. They are part
of the optimizer, so that every engine, a CUDA graph and stacked seeds do the same, and their state is saved with its
own.
"""

from __future__ import annotations

from typing import get_args

from grokcore.spec.implementations import implementations
from grokcore.spec.training import GradientFilterName
from grokcore.training.filters.filter import Filter

FILTERS: dict[str, type[Filter]] = implementations(__name__, get_args(GradientFilterName), "FILTER")
