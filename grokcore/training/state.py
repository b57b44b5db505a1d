"""The state of training, whichever engine and process holds which part of it: exactly what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from grokcore.errors import InputError
from grokcore.models import SequenceModel
from grokcore.spec.experiment import derived_seed
from grokcore.training.checkpoints.checkpoint import Checkpoint
from grokcore.training.distributed.group import ALONE, Command, Group
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.precision import MIN_SCALE, LossScaler


class FullState(Protocol):
    """Full fp32 weights and optimizer state, gathered from all ranks.

    Weights are named `model.NAME`, the optimizer's state `optimizer.NUMBER.NAME` with the numbers of its state_dict.

    Attributes:
        model: computes with the current weights, for evaluation.
    """

    model: Any

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors, in place or copied."""

    def shapes(self) -> dict[str, torch.Size]:
        """Return the shapes that `load` needs."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy all tensors in, in place."""

    def weight_norm(self) -> float:
        """Return the L2 norm of all trained weights, computed in fp64 from the norms of each. Waits for the device."""

    def consolidate(self) -> None:
        """Copy the trained fp32 weights into the model itself, so that it can be saved; ends its training."""


class LocalState:
    """The full state of an engine that trains the model's own weights."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self.model: Any = model

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

    def consolidate(self) -> None:
        """Do nothing: the model has the trained weights."""


def norm_of(norms: list[Tensor]) -> float:
    """Combine the norms of several tensors to the norm of all, in fp64."""
    return float(torch.linalg.vector_norm(torch.stack(norms).double()).item())


@dataclass
class TrainingState:
    """Everything that an optimizer step changes. The sampler and the schedule are functions of `step` and `restarts`.

    Its tensors stay where they are from the first step to the last: a recorded step knows them by their addresses.

    Attributes:
        full: weights and optimizer state, gathered from all processes of `group`.
        group: the processes that train together; each draws random numbers of its own.
    """

    run_id: str
    model: SequenceModel
    optimizer: Optimizer
    scaler: LossScaler | None
    step: int = 0
    elapsed_seconds: float = 0.0
    cpu_seconds: float | None = 0.0
    gradient_norm: Tensor = field(default_factory=lambda: torch.tensor(float("nan")))
    steps_skipped: Tensor = field(default_factory=lambda: torch.tensor(0))
    restarts: int = 0
    full: FullState = None  # type: ignore[assignment]
    group: Group = ALONE

    def __post_init__(self) -> None:
        if self.full is None:
            self.full = LocalState(self.model, self.optimizer)

    def checkpoint(self, journal: bytes = b"") -> Checkpoint:
        """Return the state in place, which the next step changes. A single process does not wait for its device."""
        self.group.command(Command.COLLECT)
        clock = {"elapsed_seconds": self.elapsed_seconds, "cpu_seconds": self.cpu_seconds}
        values = {**clock, "restarts": self.restarts}
        return Checkpoint(self.run_id, self.step, self.collect(), values, journal)

    def collect(self) -> dict[str, Tensor]:
        """Return all tensors of the state; every process of the group has to call it."""
        return {**self.full.tensors(), **self._scalars(), **self.group.gather(_random())}

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> None:
        """Load a checkpoint, to continue as if training had never been interrupted.

        Raises:
            InputError: the checkpoint does not have the tensors of this state.
        """
        scalars = self._scalars()
        for name, shape in (*self.full.shapes().items(), *((name, one.shape) for name, one in scalars.items())):
            if name not in checkpoint.tensors or checkpoint.tensors[name].shape != shape:
                raise InputError(
                    f"the checkpoint of step {checkpoint.step} has no {name} of this run's shape: "
                    f"it was written by another version of grokcore"
                )
        self.full.load(checkpoint.tensors)
        for name, tensor in scalars.items():
            tensor.copy_(checkpoint.tensors[name])
        if self.scaler is not None:
            self.scaler.scale.clamp_min_(MIN_SCALE)  # older versions of grokcore went below
        self._restore_random(checkpoint)
        self.step = checkpoint.step
        self.elapsed_seconds = checkpoint.values["elapsed_seconds"]
        self.cpu_seconds = checkpoint.values.get("cpu_seconds")  # older versions did not count them
        self.restarts = checkpoint.values["restarts"]

    def _scalars(self) -> dict[str, Tensor]:
        """Return the loss scale, and what the journal records of the last step."""
        tensors = {"gradient_norm": self.gradient_norm, "steps_skipped": self.steps_skipped}
        if self.scaler is not None:
            tensors |= {f"scaler.{name}": tensor for name, tensor in self.scaler.tensors().items()}
        return tensors

    def _restore_random(self, checkpoint: Checkpoint) -> None:
        """Restore this process's random state; seed a new one if it had none when the checkpoint was made."""
        tensors, suffix = checkpoint.tensors, self.group.suffix
        if f"random.cpu{suffix}" not in tensors:
            torch.manual_seed(derived_seed(self.group.rank, f"{checkpoint.run_id} from step {checkpoint.step}"))
            return
        torch.set_rng_state(tensors[f"random.cpu{suffix}"].cpu())
        if f"random.cuda{suffix}" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors[f"random.cuda{suffix}"].cpu())


def _random() -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states
