"""What every architecture's description has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grokcore.spec.base import Spec, added_later


class Model(Spec):
    """The fields of every architecture."""

    implementation: Literal["fast", "transformers"] = Field(
        "fast",
        description="whose code computes the model: fast (made for short sequences) or transformers (the Hugging Face "
        "classes); both begin with the same weights and read each other's files",
    )
    layers: int = Field(2, ge=1, le=256, description="number of blocks")
    width: int = Field(128, ge=8, le=65536, description="width of the residual stream")
    init: Literal["published", "original"] = Field(
        "published",
        description="initial weights: published (transformers' own, as published studies used) or original (the "
        "architecture's own paper and code)",
    )
    match: Literal["layers", "parameters"] = Field(
        "layers",
        description="how architectures are made comparable: by the number of layers, or by taking as many layers as "
        "come closest to the parameters of a GPT-2 of these layers and this width",
    )
    seed: int | None = Field(
        None, ge=0, description="seed of the initial weights; null derives it from the experiment's seed"
    )
    sharing: None = added_later(None, description="parameters shared across layers (reserved)")
    recurrence: None = added_later(None, description="blocks run several times (reserved)")
    memory: None = added_later(None, description="memory added to blocks (reserved)")
