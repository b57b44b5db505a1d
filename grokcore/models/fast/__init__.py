"""`implementation: fast`: a backbone made for short symbolic sequences, one file per architecture.

Three things make it fast. Only what the loss depends on is computed: the last block and the head at the supervised
positions, prefixes that examples share once. All tokens are one flat list of rows, so that every projection is one
matrix product. And what lies between the products is one pass in a kernel (`kernels/`) instead of many over copies.
"""

from grokcore.models.fast.block import FastArchitecture
from grokcore.models.fast.model import FastModel
from grokcore.models.registry import ARCHITECTURES
from grokcore.spec.implementations import implementations

FAST_ARCHITECTURES: dict[str, FastArchitecture] = implementations(__name__, ARCHITECTURES, "FAST")
"""By the spec's `architecture`, which is the name of a file here."""

__all__ = ["FAST_ARCHITECTURES", "FastModel"]
