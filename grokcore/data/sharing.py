"""Examples taken apart into the few beginnings that the task declares and what follows them.

A causal model computes the same for `<attr> <q>` in every example that begins so: once is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokcore.data.supervision import Supervision


@dataclass(frozen=True)
class SharedBeginnings:
    """N examples, each with the prefix that it begins with.

    Attributes:
        table: (A, L) int64, the token ids of the prefixes.
        of: (N,) int64, the prefix of each example, A for one that begins otherwise.
        own: what follows: inputs (N, S) without the prefix, positions counted from there, the same targets.
    """

    table: npt.NDArray[np.int64]
    of: npt.NDArray[np.int64]
    own: Supervision


def share_beginnings(
    supervision: Supervision, prefixes: Sequence[Sequence[int]], batch_size: int
) -> SharedBeginnings | None:
    """Take the declared prefixes off the examples that begin with them.

    Args:
        prefixes: the task's, all of one length; empty if it has none.
        batch_size: examples that one computation of all prefixes serves.

    Returns:
        None where nothing is gained: without prefixes, or where a batch would have as many tokens as before.
    """
    if not prefixes or len({len(prefix) for prefix in prefixes}) != 1:
        return None
    table = np.asarray(prefixes, np.int64)
    length = table.shape[1]
    lengths = supervision.positions.max(axis=1) + 1
    of = _prefix_of(supervision.inputs, table)
    # An example that is asked within its prefix keeps it as tokens of its own.
    of[supervision.positions.min(axis=1) < length] = len(table)
    begins = np.where(of < len(table), length, 0)
    own_length = int((lengths - begins).max())
    if table.size + batch_size * own_length >= batch_size * supervision.inputs.shape[1]:
        return None
    columns = np.minimum(begins[:, None] + np.arange(own_length), supervision.inputs.shape[1] - 1)
    inputs = np.take_along_axis(supervision.inputs, columns, axis=1)
    own = Supervision(inputs, supervision.positions - begins[:, None], supervision.targets)
    return SharedBeginnings(table, of, own)


def _prefix_of(inputs: npt.NDArray[np.int64], table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(N,) the row of `table` (A, L) that each row of `inputs` (N, T >= L) begins with, A for none."""
    length = table.shape[1]
    if inputs.shape[1] < length:
        return np.full(len(inputs), len(table))
    radix = int(max(inputs.max(), table.max())) + 1
    weights = np.array([radix**place for place in range(length)], dtype=object)
    kind = np.int64 if radix**length < 2**63 else object
    codes, known = inputs[:, :length].astype(kind) @ weights.astype(kind), table.astype(kind) @ weights.astype(kind)
    order = np.argsort(known)
    places = np.minimum(np.searchsorted(known[order], codes), len(table) - 1)
    found: npt.NDArray[np.int64] = np.where(known[order][places] == codes, order[places], len(table))
    return found
