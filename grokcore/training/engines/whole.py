"""The whole of a model's trained state under one set of names, whatever engine holds which part of it where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from grokcore.training.optimizers.optimizer import Optimizer


class Whole(Protocol):
    """Weights in fp32 as `model.NAME`, the optimiser's state as `optimizer.NUMBER.NAME`, as its state_dict counts.

    Attributes:
        computing: the model to evaluate, which computes with what is trained.
    """

    computing: Any

    def tensors(self) -> dict[str, Tensor]:
        """All of it, where it is or copied."""

    def shapes(self) -> dict[str, torch.Size]:
        """What `load` needs."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take all of it over, in place."""

    def weight_norm(self) -> float:
        """L2 norm of all trained weights, computed in fp64 from the norms of each. Waits for the device."""

    def settle(self) -> None:
        """Leave the trained fp32 weights in the model itself, so that it can be saved; ends its training."""


class InPlace:
    """That of an engine that trains the model's own weights."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self.computing: Any = model

    def tensors(self) -> dict[str, Tensor]:
        tensors = {
            f"model.{name}": tensor for name, tensor in (*self._model.named_parameters(), *self._model.named_buffers())
        }
        for index, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
        return tensors

    def shapes(self) -> dict[str, torch.Size]:
        return {name: tensor.shape for name, tensor in self.tensors().items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])

    def weight_norm(self) -> float:
        weights: list[Tensor] = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        return norm_of(list(torch._foreach_norm(weights)))

    def settle(self) -> None:
        """They are there."""


def norm_of(norms: list[Tensor]) -> float:
    """The norm of what has these norms, added up in fp64."""
    return float(torch.linalg.vector_norm(torch.stack(norms).double()).item())
