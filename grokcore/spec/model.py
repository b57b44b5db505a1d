"""What learns: one class per architecture, in `grokcore.spec.models`, told apart by `architecture`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokcore.spec.models.mamba import Mamba
from grokcore.spec.models.rwkv import RWKV
from grokcore.spec.models.transformers import GPT2, LLaMA

ModelSpec = Annotated[GPT2 | LLaMA | RWKV | Mamba, Field(discriminator="architecture")]

__all__ = ["GPT2", "RWKV", "LLaMA", "Mamba", "ModelSpec"]
