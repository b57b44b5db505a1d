"""What a run will cost, as far as its spec tells: to begin the longest first, and to say how much is left."""

from __future__ import annotations

from grokcore.data import DatasetInfo
from grokcore.data.supervision import input_length
from grokcore.models.sizes import step_flops
from grokcore.spec import ExperimentSpec

_SLOWNESS = {
    "gpt2": 1.0,
    "llama": 1.0,
    "rwkv": 1.1,
    "mamba": 2.3,
    "linear_attention": 1.4,
    "retnet": 1.6,
    "gla": 1.7,
    "deltanet": 2.5,
    "mamba2": 1.6,
    "rwkv6": 2.2,
}
"""Time per FLOP against GPT-2's, measured on a CPU core with 2 layers of width 64; results depend on none of it."""


def step_cost(spec: ExperimentSpec, info: DatasetInfo) -> float:
    """Time of an optimiser step in a unit that specs have in common."""
    training = spec.training
    flops = step_flops(
        spec.model,
        vocabulary_size=info.vocabulary_size,
        tokens=input_length(info.sequence_length, training.loss_on),
        supervised=2 if training.loss_on == "answer_and_eos" else 1,
        batch_size=training.batch_size,
    )
    return flops * _SLOWNESS.get(spec.model.architecture, 1.0)
