"""The memory that training takes on a GPU, estimated without one: a step on fake tensors, and the bytes it holds."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from grokcore.data import Dataset, generate_dataset, open_dataset
from grokcore.spec import ExperimentSpec, resolve
from grokcore.training.fake_cuda import CUDA, fake_cuda
from grokcore.training.source import drawn_model
from grokcore.training.trainer import Trainer

BLOCK = 512
"""Bytes that CUDA's allocator of torch rounds every tensor up to."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on the device of one optimizer step.

    Attributes:
        peak: the most that is held at once.
        activations: what of it is neither of the others: hidden states, logits, and what is only there for a moment.
    """

    weights: int
    gradients: int
    optimizer_state: int
    examples: int
    peak: int

    @property
    def activations(self) -> int:
        return self.peak - self.weights - self.gradients - self.optimizer_state - self.examples


def estimate_memory(spec: ExperimentSpec) -> MemoryEstimate:
    """Estimate the memory of a spec's optimizer step on one GPU, by the native engine.

    Not included are CUDA's own context, libraries' workspaces, fragmentation, evaluation, and the kernels of other
    packages. The dataset is generated in a temporary directory.

    Raises:
        InputError: the task is impossible, or there is no room for its data.
    """
    with tempfile.TemporaryDirectory() as folder:
        generate_dataset(spec.task, Path(folder, "data"))
        dataset = open_dataset(Path(folder, "data"))
        native = spec.training.model_copy(update={"engine": "native", "cuda_graph": False})
        resolved = resolve(spec.model_copy(update={"training": native}), devices=1, gpu_count=1)
        with fake_cuda():
            return step_memory(resolved, dataset, CUDA, block=BLOCK)


def step_memory(spec: ExperimentSpec, dataset: Dataset, device: torch.device, *, block: int = 1) -> MemoryEstimate:
    """Take two optimizer steps on a device, the first of which may make what the others keep, and count their bytes."""
    with LiveBytes(device, block) as live:
        trainer = Trainer(spec, dataset, drawn_model(spec, dataset), device=device)
        for _ in range(2):
            trainer.take_step()
        weights = bytes_of(trainer.parameters, block)
        state = [tensor for of_weight in trainer.state.optimizer.state.values() for tensor in of_weight.values()]
        return MemoryEstimate(
            weights=weights,
            gradients=weights,
            optimizer_state=bytes_of(state, block),
            examples=bytes_of(tree_leaves(vars(trainer.examples)), block),
            peak=live.peak,
        )


def bytes_of(values: Iterable[Any], block: int) -> int:
    """Return the bytes of all tensors among `values`, each storage once."""
    storages = {tensor.untyped_storage()._cdata: tensor for tensor in values if isinstance(tensor, Tensor)}
    return sum(_size(tensor, block) for tensor in storages.values())


def _size(tensor: Tensor, block: int) -> int:
    return -(-tensor.untyped_storage().nbytes() // block) * block


class LiveBytes(TorchDispatchMode):
    """Count the bytes of what operators make on a device, real or fake, for as long as it is there.

    Attributes:
        now, peak: bytes, each tensor rounded up to whole blocks. What a kernel takes for itself is not seen.
    """

    def __init__(self, device: torch.device, block: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device, self._block = device, block
        self._known: set[int] = set()
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.device == self._device:
                self._add(leaf)
        return result

    def _add(self, tensor: Tensor) -> None:
        storage, size = tensor.untyped_storage(), _size(tensor, self._block)
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        weakref.finalize(storage, self._free, storage._cdata, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _free(self, storage: int, size: int) -> None:
        self._known.discard(storage)
        self.now -= size
