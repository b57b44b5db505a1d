"""The state of training: all of it, and nothing else, goes into a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from grokcore.errors import InputError
from grokcore.models import SequenceModel
from grokcore.training.checkpoints.checkpoint import Checkpoint
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.precision import LossScaler


@dataclass
class TrainingState:
    """What one optimiser step changes. The sampler and the schedule are functions of `step` and `restarts`.

    Its tensors stay where they are from the first step to the last: a recorded step knows them by their addresses.
    """

    run_id: str
    model: SequenceModel
    optimizer: Optimizer
    scaler: LossScaler | None
    step: int = 0
    elapsed_seconds: float = 0.0
    gradient_norm: Tensor = field(default_factory=lambda: torch.tensor(float("nan")))
    steps_skipped: Tensor = field(default_factory=lambda: torch.tensor(0))
    restarts: int = 0

    def checkpoint(self, journal: bytes = b"") -> Checkpoint:
        """All of it, where it is: the next step changes these tensors. Does not wait for the device."""
        tensors = self._tensors()
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        values = {"elapsed_seconds": self.elapsed_seconds, "restarts": self.restarts}
        return Checkpoint(self.run_id, self.step, tensors, values, journal)

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on as if training had never been interrupted.

        Raises:
            InputError: the checkpoint is that of another state.
        """
        for name, tensor in self._tensors().items():
            if name not in checkpoint.tensors or checkpoint.tensors[name].shape != tensor.shape:
                raise InputError(
                    f"the checkpoint of step {checkpoint.step} has no {name} of this run's shape: "
                    f"it was written by another version of grokcore"
                )
            tensor.copy_(checkpoint.tensors[name])
        torch.set_rng_state(checkpoint.tensors["random.cpu"])
        if "random.cuda" in checkpoint.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(checkpoint.tensors["random.cuda"])
        self.step = checkpoint.step
        self.elapsed_seconds = checkpoint.values["elapsed_seconds"]
        self.restarts = checkpoint.values["restarts"]

    def _tensors(self) -> dict[str, Tensor]:
        """Weights and buffers, tied ones once, the optimiser's state, and what the journal reads of the last step."""
        tensors = {
            f"model.{name}": tensor for name, tensor in (*self.model.named_parameters(), *self.model.named_buffers())
        }
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
        if self.scaler is not None:
            tensors |= {f"scaler.{name}": tensor for name, tensor in self.scaler.tensors().items()}
        return tensors | {"gradient_norm": self.gradient_norm, "steps_skipped": self.steps_skipped}
