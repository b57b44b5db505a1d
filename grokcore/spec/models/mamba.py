"""The state space models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grokcore.spec.models.base import Model


class Mamba(Model):
    """Mamba-1, a selective state space model (arXiv 2312.00752)."""

    architecture: Literal["mamba"] = "mamba"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (Mamba's own choice: true)")
    state_size: int = Field(16, ge=1, description="size N of the state of each channel")
    expand: int = Field(2, ge=1, description="inner width as a multiple of width")
    conv_kernel: int = Field(4, ge=1, description="width of the causal convolution")
