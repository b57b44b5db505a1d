"""The training examples where the model is: a batch is row numbers, and its rows are gathered on the device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from grokcore.data.supervision import Supervision


class Batch(NamedTuple):
    """B examples: `inputs` (B, T), `positions` and `targets` (B, P), all int64."""

    inputs: Tensor
    positions: Tensor
    targets: Tensor


class Examples:
    """All training examples on one device.

    Attributes:
        inputs: (N, T) int64.
        positions: (N, P) int64.
        targets: (N, P) int64; all three as in `Supervision`.
    """

    def __init__(self, supervision: Supervision, device: torch.device) -> None:
        self.inputs, self.positions, self.targets = (
            torch.from_numpy(array).to(device)
            for array in (supervision.inputs, supervision.positions, supervision.targets)
        )

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Tensor) -> Batch:
        """The batch of (B,) int64 `rows`, whose shapes depend on B alone."""
        return Batch(*(column.index_select(0, rows) for column in (self.inputs, self.positions, self.targets)))
