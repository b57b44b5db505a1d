"""Every variant of a model, as overrides of `smoke`: an architecture, or one with something composed into it.

A new architecture is among them by its line in the registry; a new part that models can be composed of gets a row here.
"""

import pytest

from grokcore.models import ARCHITECTURES as REGISTRY
from tests.support.extended import mostly_extended

SMALL_SIZES = {
    "mamba2": ["model.state_size=8"],
    "rwkv6": ["model.mix_rank=4", "model.decay_rank=4"],
}
"""Further sizes of architectures that are large by default."""

ARCHITECTURES = {
    name: [f"model.architecture={name}", "model.layers=2", *SMALL_SIZES.get(name, ())] for name in REGISTRY
}

COMPOSED = {
    "gpt2 in cycle": ["model.layers=2", "model.sharing.kind=blocks"],
    "rwkv with re-entry": ["model.architecture=rwkv", "model.layers=2", "model.sharing={kind: blocks, reentry: 1.0}"],
    "llama in sequence": [
        *("model.architecture=llama", "model.layers=2", "model.sharing={kind: blocks, order: sequence}"),
        "model.memory={kind: slots, slots: 6}",
    ],
    "gla with one MLP": [
        *("model.architecture=gla", "model.layers=2", "model.sharing.kind=mlp"),
        "model.recurrence={kind: fixed, loops: 2}",
    ],
    "mamba in random loops": [
        "model.architecture=mamba",
        "model.recurrence={kind: random, least: 1, most: 3, evaluation: 2, zero_init: true}",
    ],
    "deltanet until it settles": [
        "model.architecture=deltanet",
        "model.recurrence={kind: adaptive, most: 3, tolerance: 0.02}",
    ],
    "rwkv6 with memory": ["model.architecture=rwkv6", "model.layers=3", "model.memory={kind: mlp, width: 24}"],
}
"""Sharing, recurrence and memory, each with another architecture."""

VARIANTS = ARCHITECTURES | COMPOSED

every_variant = pytest.mark.parametrize("variant", mostly_extended(VARIANTS, {*ARCHITECTURES, "gpt2 in cycle"}))
"""Every architecture, and one composed model for all of them where tests are not extended."""
