"""A few optimizer steps of the library's own trainer, and how far two such trajectories are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ci.benchmarks.library import library
from grokcore.data import generate_dataset
from grokcore.spec import ExperimentSpec


@dataclass(frozen=True)
class Trajectory:
    """Where some steps have led.

    Attributes:
        tensors: weights, optimizer state and loss scale, by the names of a checkpoint, on the CPU.
        gradient_norm: of the last step.
        graph: `on`, `off` or `failed: REASON`; None on a CPU.
    """

    tensors: dict[str, Tensor]
    gradient_norm: float
    graph: str | None

    @property
    def weights(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self.tensors.items() if name.startswith("model.")}


def trajectory(spec: ExperimentSpec, data: Path, device: str, steps: int) -> Trajectory:
    """Take steps from the spec's initial weights.

    Args:
        spec: with precision and engine chosen, at any number format: fp16 on a CPU too, which no command allows.
        data: the dataset of its task; it is generated where it is absent.
    """
    generate_dataset(spec.task, data)
    with library(spec, data, torch.device(device)) as stepper:
        for _ in range(steps):
            stepper.step()
        trainer = stepper.trainer
        held = trainer.state.checkpoint().tensors.items()
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in held if not name.startswith("random.")}
        norm, graphs = trainer.state.gradient_norm.item(), trainer.graphs
    return Trajectory(tensors, norm, None if graphs is None else graphs.status)


def are_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Tell whether all tensors are equal bit for bit; NaN equals NaN."""
    if one.keys() != other.keys():
        return False
    return all(torch.equal(one[name].nan_to_num(), other[name].nan_to_num()) for name in one)


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float | None:
    """Return ||one - other|| / ||other||, L2 over all tensors, in fp64; None where it is no finite number."""
    apart = sum(float((one[name].double() - other[name].double()).square().sum()) for name in other)
    size = sum(float(tensor.double().square().sum()) for tensor in other.values())
    return finite(math.sqrt(apart / size)) if size > 0 and math.isfinite(apart) else None


def finite(value: float) -> float | None:
    """Return a number for a result file, which has no NaN and no infinity."""
    return value if math.isfinite(value) else None
