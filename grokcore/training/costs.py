"""The cost of an optimizer step, as far as a spec and its dataset tell: FLOPs, and time compared to other specs."""

from __future__ import annotations

from grokcore.data import DatasetInfo
from grokcore.data.supervision import input_length
from grokcore.models.registry import ARCHITECTURES
from grokcore.models.sizes import step_flops
from grokcore.spec import ExperimentSpec


def flops_per_step(spec: ExperimentSpec, info: DatasetInfo) -> float:
    """Algorithmic FLOPs of one optimizer step of the plain model."""
    training = spec.training
    return step_flops(
        spec.model,
        vocabulary_size=info.vocabulary_size,
        tokens=input_length(info.sequence_length, training.loss_on),
        supervised=2 if training.loss_on == "answer_and_eos" else 1,
        batch_size=training.batch_size,
    )


def relative_step_time(spec: ExperimentSpec, info: DatasetInfo) -> float:
    """Time of one optimizer step in a unit that all specs share, to train the longest runs first."""
    return flops_per_step(spec, info) * ARCHITECTURES[spec.model.architecture].relative_time_per_flop
