"""`implementation: fast`: a backbone made for short symbolic sequences, one file per architecture.

Three things make it fast. Only what the loss depends on is computed: the last block and the head at the supervised
positions, prefixes that examples share once. All tokens are one flat list of rows, so that every projection is one
matrix product. And what lies between the products is one pass in a kernel (`kernels/`) instead of many over copies.
"""

from typing import Any

from grokcore.models.fast.block import FastArchitecture
from grokcore.models.fast.model import FastModel
from grokcore.models.registry import ARCHITECTURES
from grokcore.spec.implementations import implementations
from grokcore.spec.plugins import Plugin, Registry


def _accept(found: Plugin, definition: Any) -> FastArchitecture:
    fast = definition.fast()
    if not isinstance(fast, FastArchitecture):
        raise found.refuse(f"its `fast` must return a FastArchitecture, not {type(fast).__name__}")
    return fast


FAST_ARCHITECTURES: Registry[FastArchitecture] = Registry(
    "architecture", implementations(__name__, ARCHITECTURES, "FAST"), _accept
)
"""By the spec's `architecture`, which is the name of a file here, or that of another package."""

__all__ = ["FAST_ARCHITECTURES", "FastModel"]
