"""The cost of an optimizer step: FLOPs of the plain model and of the method, and time compared to other specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from grokcore.acceleration.costs import (
    OF_FILTER,
    OF_LOSS,
    OF_OPTIMIZER,
    OF_PROJECTION,
    OF_TEMPERATURE,
    newton_schulz_flops,
)
from grokcore.data import DatasetInfo
from grokcore.data.supervision import input_length, supervised_tokens
from grokcore.models.registry import ARCHITECTURES
from grokcore.models.sizes import step_flops
from grokcore.spec import ExperimentSpec, TrainingSpec

if TYPE_CHECKING:
    from grokcore.models import SequenceModel


@dataclass(frozen=True)
class StepFlops:
    """Algorithmic FLOPs of one optimizer step.

    Attributes:
        of_model: forward and backward pass of the plain model.
        of_method: what optimizer, gradient filter, loss and projection add to those of AdamW and cross-entropy.
    """

    of_model: float
    of_method: float

    @property
    def total(self) -> float:
        return self.of_model + self.of_method


def step_flops_of(spec: ExperimentSpec, info: DatasetInfo, model: SequenceModel) -> StepFlops:
    """Return the FLOPs of a step on the spec's model, which tells the sizes of its matrices."""
    method = _weight_operations(spec.training, model) + _logit_operations(spec.training, info)
    return StepFlops(flops_of_model(spec, info), method)


def flops_of_model(spec: ExperimentSpec, info: DatasetInfo) -> float:
    """Algorithmic FLOPs of one optimizer step of the plain model."""
    training = spec.training
    return step_flops(
        spec.model,
        vocabulary_size=info.vocabulary_size,
        tokens=input_length(info.sequence_length, training.loss_on),
        supervised=supervised_tokens(info.supervised, training.loss_on),
        batch_size=training.batch_size,
    )


SMALL_STEP = 1e11
"""FLOPs of an optimizer step below which one model leaves a GPU of 1e14 FLOP/s and more mostly idle."""


def useful_devices(spec: ExperimentSpec, info: DatasetInfo) -> int:
    """Return the largest number of devices that one training keeps busy: each has a share of the batch, and work.

    The batch divides evenly among them, a step holds no more examples than the training set has, and each device
    computes `SMALL_STEP` FLOPs a step.
    """
    batch, flops = spec.training.batch_size, flops_of_model(spec, info)
    rows = sum(split.rows for split in info.splits.values() if split.role == "train")
    most = max(1, min(batch // spec.training.gradient_accumulation, rows, int(flops // SMALL_STEP)))
    return max(count for count in range(1, most + 1) if batch % (count * spec.training.gradient_accumulation) == 0)


def device_remarks(spec: ExperimentSpec, info: DatasetInfo, devices: int) -> list[str]:
    """Remark on more devices than a training keeps busy, with the number that it does."""
    useful = useful_devices(spec, info)
    if devices <= useful:
        return []
    return [
        f"{devices} devices share a step of {spec.training.batch_size} examples and {flops_of_model(spec, info):.1g} "
        f"FLOPs, which {useful} would take as long to compute: use {useful}"
        + (", and train several seeds at once on it" if useful == 1 else ", or a larger training.batch_size")
    ]


def relative_step_time(spec: ExperimentSpec, info: DatasetInfo) -> float:
    """Time of one optimizer step in a unit that all specs share, to train the longest runs first; of the model alone.

    A method's operations run at another rate than the model's, and would need its weights.
    """
    return flops_of_model(spec, info) * ARCHITECTURES[spec.model.architecture].relative_time_per_flop


def _weight_operations(training: TrainingSpec, model: SequenceModel) -> float:
    """Operations on gradients and weights."""
    from grokcore.models.roles import layouts

    each = _operations(OF_OPTIMIZER, training.optimizer, "optimizers:OPTIMIZERS")
    each += _operations(OF_FILTER, training.gradient_filter, "filters:FILTERS")
    of_projection = _operations(OF_PROJECTION, training.projection, "projections:PROJECTIONS")
    found, flops = layouts(model), 0.0
    for name, weight in model.named_parameters():
        layout, size = found[name], weight.numel()
        flops += each * size
        if training.projection != "row_norm" or layout.role in _clipped(training):
            flops += of_projection * size
        if training.optimizer == "muon" and layout.role == "matrix":
            inputs = size // sum(layout.parts)
            flops += sum(newton_schulz_flops(part, inputs, training.muon_iterations) for part in layout.parts)
    return flops


def _operations(own: Mapping[Any, int], name: str, registry: str) -> float:
    """Operations per number of a part: of ours from their table, of others from their attribute `operations`."""
    if name in own:
        return own[name]
    module, _, attribute = registry.partition(":")
    part = getattr(import_module(f"grokcore.training.{module}"), attribute)[name]
    return float(getattr(part, "operations", 0))


def _clipped(training: TrainingSpec) -> tuple[str, ...]:
    return ("matrix",) if training.projection_on == "matrices" else ("matrix", "vector")


def _logit_operations(training: TrainingSpec, info: DatasetInfo) -> float:
    """Operations on logits; as in the model, the backward pass costs twice the forward pass."""
    each = _operations(OF_LOSS, training.loss, "losses:LOSSES") + OF_TEMPERATURE * (training.loss_temperature != 1)
    supervised = supervised_tokens(info.supervised, training.loss_on)
    return float(3 * each * training.batch_size * supervised * info.vocabulary_size)
