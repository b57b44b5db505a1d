"""The fields of every architecture: one class per `architecture`, and `ModelSpec`, which is one of them.

Other packages may add to them (`grokcore.spec.plugins`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokcore.spec.models.architectures import (
    GLA,
    GPT2,
    RWKV,
    RWKV6,
    DeltaNet,
    LinearAttention,
    LLaMA,
    Mamba,
    Mamba2,
    RetNet,
)
from grokcore.spec.models.base import FastOnly, Model, Transformer
from grokcore.spec.models.plugin import PluginModel, RecordedModel
from grokcore.spec.plugins.open_union import OpenUnion

ARCHITECTURES_IN_SPECS = OpenUnion(
    "architecture",
    "architecture",
    Annotated[
        GPT2 | LLaMA | RWKV | Mamba | LinearAttention | RetNet | GLA | DeltaNet | Mamba2 | RWKV6,
        Field(discriminator="architecture"),
    ],
    base=Model,
    plugin=PluginModel,
    recorded=RecordedModel,
)

ModelSpec = Annotated[Model, ARCHITECTURES_IN_SPECS]

__all__ = [
    "ARCHITECTURES_IN_SPECS",
    "GLA",
    "GPT2",
    "RWKV",
    "RWKV6",
    "DeltaNet",
    "FastOnly",
    "LLaMA",
    "LinearAttention",
    "Mamba",
    "Mamba2",
    "Model",
    "ModelSpec",
    "PluginModel",
    "RecordedModel",
    "RetNet",
    "Transformer",
]
