"""The state space models."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from grokcore.spec.models.base import Model


class Mamba(Model):
    """Mamba-1, a selective state space model (arXiv 2312.00752)."""

    HAS_MLP: ClassVar[bool] = False

    architecture: Literal["mamba"] = "mamba"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (Mamba's own choice: true)")
    state_size: int = Field(16, ge=1, le=65_536, description="size N of the state of each channel")
    expand: int = Field(2, ge=1, le=1024, description="inner width as a multiple of width")
    conv_kernel: int = Field(4, ge=1, le=1024, description="width of the causal convolution")


class Mamba2(Model):
    """Mamba-2: a state space model whose heads decay as a whole (arXiv 2405.21060)."""

    HAS_MLP: ClassVar[bool] = False

    architecture: Literal["mamba2"] = "mamba2"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (Mamba-2's own choice: true)")
    heads: int = Field(4, ge=1, le=65_536, description="number of heads; divides expand x width")
    state_size: int = Field(128, ge=1, le=65_536, description="size N of the state of each channel")
    expand: int = Field(2, ge=1, le=1024, description="inner width as a multiple of width")
    conv_kernel: int = Field(4, ge=1, le=1024, description="width of the causal convolution")

    @model_validator(mode="after")
    def _heads_divide_inner_width(self) -> Mamba2:
        if (self.expand * self.width) % self.heads:
            raise ValueError(f"heads={self.heads} must divide expand x width = {self.expand * self.width}")
        return self
