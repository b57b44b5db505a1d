"""The complete state of training at one step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Checkpoint:
    """The complete state of training after `step` optimiser steps.

    Attributes:
        tensors: on any device; of a checkpoint that was loaded, on the CPU.
        values: JSON.
        journal: the lines of the journal up to here, as they stand in its file.
    """

    run_id: str
    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]
    journal: bytes = b""

    def is_finite(self) -> bool:
        """Whether every weight is a finite number. Waits for the device."""
        weights = (tensor for name, tensor in self.tensors.items() if name.startswith("model."))
        return all(bool(tensor.isfinite().all()) for tensor in weights if tensor.is_floating_point())


class Snapshot:
    """A copy of a checkpoint in host memory, made without waiting for the device; training may go on at once."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._copied: torch.cuda.Event | None = None
        tensors = {name: self._copy(tensor.detach()) for name, tensor in checkpoint.tensors.items()}
        if any(tensor.is_cuda for tensor in checkpoint.tensors.values()):
            self._copied = torch.cuda.Event()
            self._copied.record()
        self._checkpoint = replace(checkpoint, tensors=tensors)

    @property
    def step(self) -> int:
        return self._checkpoint.step

    def get(self) -> Checkpoint:
        """The copy, once it is complete."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._checkpoint

    @staticmethod
    def _copy(tensor: Tensor) -> Tensor:
        if not tensor.is_cuda:
            return tensor.clone(memory_format=torch.contiguous_format)
        # Page-locked memory takes the copy in the order of the device's work, after the steps that came before it.
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return host.copy_(tensor, non_blocking=True)
