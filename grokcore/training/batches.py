"""Training examples on the model's device, and the order of their batches.

A batch is row numbers, whose rows are gathered on the device. The order is a pure function of the seed and the step, so
that a resumed run needs no sampler state.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from grokcore.data.supervision import PrefixTable, Supervision, share_beginnings
from grokcore.models import SequenceModel, SharedPrefixes
from grokcore.spec.experiment import derived_seed


class Batch(NamedTuple):
    """B examples: `inputs` (B, T), `positions` and `targets` (B, P), all int64; and their shared prefixes."""

    inputs: Tensor
    positions: Tensor
    targets: Tensor
    prefixes: SharedPrefixes | None


class Examples:
    """All training examples on one device.

    Attributes:
        inputs: (N, T) int64.
        positions: (N, P) int64.
        targets: (N, P) int64; all three as in `Supervision`, without the prefixes where they are shared.
        prefix_sharing: description of the shared prefixes, or `no` and the reason.
    """

    def __init__(
        self,
        supervision: Supervision,
        device: torch.device,
        *,
        shared: PrefixTable | None = None,
        prefix_sharing: str = "no",
    ) -> None:
        own = supervision if shared is None else shared.own
        self.inputs, self.positions, self.targets = (
            torch.from_numpy(array).to(device) for array in (own.inputs, own.positions, own.targets)
        )
        self._table = None if shared is None else torch.from_numpy(shared.table).to(device)
        self._prefix_of = None if shared is None else torch.from_numpy(shared.of).to(device)
        self.prefix_sharing = prefix_sharing

    @classmethod
    def for_model(
        cls,
        model: SequenceModel,
        supervision: Supervision,
        prefixes: tuple[tuple[int, ...], ...],
        *,
        batch_size: int,
        device: torch.device,
    ) -> Examples:
        """Make examples with shared prefixes, if the model supports them and a batch of this size gains by it."""
        if not prefixes:
            return cls(supervision, device, prefix_sharing="no: the task declares no prefixes")
        if not model.shares_prefixes:
            return cls(supervision, device, prefix_sharing=f"no: {model.why_unshared}")
        shared = share_beginnings(supervision, prefixes, batch_size)
        if shared is None:
            return cls(supervision, device, prefix_sharing=f"no: a batch of {batch_size} gains nothing by it")
        count, length = shared.table.shape
        return cls(supervision, device, shared=shared, prefix_sharing=f"{count} prefixes of {length} tokens")

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Tensor) -> Batch:
        """Return the batch of (B,) int64 `rows`, whose shapes depend on B alone."""
        prefixes = None
        if self._table is not None and self._prefix_of is not None:
            prefixes = SharedPrefixes(self._table, self._prefix_of.index_select(0, rows))
        inputs, positions, targets = (
            column.index_select(0, rows) for column in (self.inputs, self.positions, self.targets)
        )
        return Batch(inputs, positions, targets, prefixes)


class EpochSampler:
    """Row numbers for every step: each epoch is a fresh permutation of all rows, and batches run on across epochs.

    Every batch is therefore full (one shape for the whole run), and every row is seen exactly once an epoch. The
    permutation is drawn on the CPU and kept on the device, so that the order is the same wherever a run trains.
    """

    def __init__(self, rows: int, batch_size: int, seed: int, device: torch.device) -> None:
        self._rows, self._batch_size, self._seed, self._device = rows, batch_size, seed, device
        self._epochs: dict[int, Tensor] = {}

    def __call__(self, step: int) -> Tensor:
        """Return the rows, (batch_size,) int64, of the optimizer step after `step` completed ones."""
        begin = step * self._batch_size
        end = begin + self._batch_size
        first, last = begin // self._rows, (end - 1) // self._rows
        for finished in [epoch for epoch in self._epochs if epoch < first]:
            del self._epochs[finished]
        parts = []
        for epoch in range(first, last + 1):
            offset = epoch * self._rows
            parts.append(self._permutation(epoch)[max(begin - offset, 0) : min(end - offset, self._rows)])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            generator = torch.Generator().manual_seed(derived_seed(self._seed, f"epoch {epoch}"))
            pinned = self._device.type == "cuda"  # a copy from other memory would wait for the steps before it
            permutation = torch.randperm(self._rows, generator=generator, pin_memory=pinned)
            self._epochs[epoch] = permutation.to(self._device, non_blocking=True)
        return self._epochs[epoch]
