"""Every variant of a model, as overrides of `smoke`: an architecture, or one with something composed into it.

A new architecture, and a new part that architectures can be composed of, gets a row here.
"""

import pytest

from tests.support.extended import mostly_extended

ARCHITECTURES = {
    "gpt2": ["model.layers=2"],
    "llama": ["model.architecture=llama", "model.layers=2"],
    "rwkv": ["model.architecture=rwkv", "model.layers=2"],
    "mamba": ["model.architecture=mamba", "model.layers=2"],
    "linear_attention": ["model.architecture=linear_attention", "model.layers=2"],
    "retnet": ["model.architecture=retnet", "model.layers=2"],
    "gla": ["model.architecture=gla", "model.layers=2"],
    "deltanet": ["model.architecture=deltanet", "model.layers=2"],
    "mamba2": ["model.architecture=mamba2", "model.layers=2", "model.state_size=8"],
    "rwkv6": ["model.architecture=rwkv6", "model.layers=2", "model.mix_rank=4", "model.decay_rank=4"],
}
"""The rows of the registry: a test holds them against it."""

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
