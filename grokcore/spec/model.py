"""What learns: one class per architecture, in `grokcore.spec.models`, told apart by `architecture`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokcore.spec.models.linear_attention import GLA, DeltaNet, LinearAttention, RetNet
from grokcore.spec.models.mamba import Mamba, Mamba2
from grokcore.spec.models.rwkv import RWKV, RWKV6
from grokcore.spec.models.transformers import GPT2, LLaMA

ModelSpec = Annotated[
    GPT2 | LLaMA | RWKV | Mamba | LinearAttention | RetNet | GLA | DeltaNet | Mamba2 | RWKV6,
    Field(discriminator="architecture"),
]

__all__ = [
    "GLA",
    "GPT2",
    "RWKV",
    "RWKV6",
    "DeltaNet",
    "LLaMA",
    "LinearAttention",
    "Mamba",
    "Mamba2",
    "ModelSpec",
    "RetNet",
]
