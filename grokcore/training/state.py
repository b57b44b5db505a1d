"""The state of training: all of it, and nothing else, goes into a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from grokcore.training.checkpoints import Checkpoint


@dataclass
class TrainingState:
    """What one optimiser step changes. The sampler and the schedule are functions of `step` and have no state."""

    run_id: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    elapsed_seconds: float = 0.0
    gradient_norm: Tensor = field(default_factory=lambda: torch.tensor(float("nan")))
    steps_skipped: Tensor = field(default_factory=lambda: torch.tensor(0))

    def checkpoint(self) -> Checkpoint:
        tensors = {f"model.{name}": tensor for name, tensor in self._weights().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        tensors |= {"gradient_norm": self.gradient_norm, "steps_skipped": self.steps_skipped}
        values = {"elapsed_seconds": self.elapsed_seconds, "scaler": self.scaler.state_dict()}
        return Checkpoint(self.run_id, self.step, tensors, values)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on as if training had never been interrupted."""
        tensors = checkpoint.tensors
        with torch.no_grad():
            for name, weight in self._weights().items():
                weight.copy_(tensors[f"model.{name}"])
        states: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimizer":
                index, _, name = rest.partition(".")
                states.setdefault(int(index), {})[name] = tensor
        groups: list[dict[str, Any]] = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        if checkpoint.values["scaler"]:
            self.scaler.load_state_dict(checkpoint.values["scaler"])
        device = next(self.model.parameters()).device
        self.gradient_norm = tensors["gradient_norm"].to(device)
        self.steps_skipped = tensors["steps_skipped"].to(device)
        self.step = checkpoint.step
        self.elapsed_seconds = checkpoint.values["elapsed_seconds"]

    def _weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, tied ones once."""
        return {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
