"""The order of the examples: a pure function of the seed and the step, so that a resumed run needs no sampler state."""

from __future__ import annotations

import torch
from torch import Tensor

from grokcore.spec.experiment import derived_seed


class EpochSampler:
    """Row numbers for every step: each epoch is a fresh permutation of all rows, and batches run on across epochs.

    Every batch is therefore full (one shape for the whole run), and every row is seen exactly once an epoch. The
    permutation is drawn on the CPU and kept on the device, so that the order is the same wherever a run trains.
    """

    def __init__(self, rows: int, batch_size: int, seed: int, device: torch.device) -> None:
        self._rows, self._batch_size, self._seed, self._device = rows, batch_size, seed, device
        self._epochs: dict[int, Tensor] = {}

    def __call__(self, step: int) -> Tensor:
        """(batch_size,) int64: the rows of the optimiser step that follows `step` completed ones."""
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
