"""What every architecture's description has."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from grokcore.spec.base import Spec, added_later
from grokcore.spec.models.memory import MemorySpec
from grokcore.spec.models.recurrence import RecurrenceSpec
from grokcore.spec.models.sharing import SharedBlocks, SharedMLP, SharingSpec


class Model(Spec):
    """The fields of every architecture."""

    HAS_MLP: ClassVar[bool] = True
    """Whether its blocks have a channel mixer that layers could share."""
    SEMANTICS: ClassVar[int] = 1
    """Raised, for the architecture alone, when the same spec and data would give another curve."""

    implementation: Literal["fast", "transformers"] = Field(
        "fast",
        description="whose code computes the model: fast (made for short sequences) or transformers (the Hugging Face "
        "classes); both begin with the same weights and read each other's files",
    )
    layers: int = Field(2, ge=1, le=256, description="number of blocks with weights of their own")
    width: int = Field(128, ge=8, le=65536, description="width of the residual stream")
    init: Literal["published", "original"] = Field(
        "published",
        description="initial weights: published (transformers' own, as published studies used) or original (the "
        "architecture's own paper and code)",
    )
    match: Literal["layers", "parameters", "flops"] = Field(
        "layers",
        description="how architectures are made comparable: by the number of layers, or by the size that comes closest "
        "to the parameters, or to the arithmetic, of the blocks of a plain GPT-2 of these layers and this width",
    )
    match_by: Literal["depth", "width"] = added_later(
        "depth", description="what `match` chooses: depth (the number of layers) or width (of the residual stream)"
    )
    seed: int | None = Field(
        None, ge=0, description="seed of the initial weights; null derives it from the experiment's seed"
    )
    sharing: SharingSpec | None = added_later(
        None, description="weights shared across layers: kind blocks or mlp; null shares none"
    )
    recurrence: RecurrenceSpec | None = added_later(
        None, description="all blocks run in a loop: kind fixed, random or adaptive; null runs them once"
    )
    memory: MemorySpec | None = added_later(
        None, description="memory beside the blocks' MLPs: kind mlp or slots; null has none"
    )

    @model_validator(mode="after")
    def _parts_go_together(self) -> Model:
        for wrong, message in self._contradictions():
            if wrong:
                raise ValueError(message)
        return self

    def _contradictions(self) -> list[tuple[bool, str]]:
        parts = {"sharing": self.sharing, "recurrence": self.recurrence, "memory": self.memory}
        used = [name for name, part in parts.items() if part is not None]
        reentry = getattr(self.sharing, "reentry", None) or getattr(self.recurrence, "reentry", None)
        architecture = getattr(self, "architecture", type(self).__name__)
        return [
            (
                self.implementation == "transformers" and bool(used),
                f"implementation=transformers has no {' or '.join(used)}: use implementation=fast",
            ),
            (
                isinstance(self.sharing, SharedBlocks) and self.recurrence is not None,
                "sharing.kind=blocks and recurrence both run the blocks again: set one of them to null",
            ),
            (
                isinstance(self.sharing, SharedMLP) and not self.HAS_MLP,
                f"sharing.kind=mlp: the blocks of {architecture} have no MLP to share; sharing.kind=blocks would do",
            ),
            (
                isinstance(self.sharing, SharedMLP) and self.layers < 2,
                f"sharing.kind=mlp: layers={self.layers} leaves nothing to share, so it needs 2",
            ),
            (
                self.match == "layers" and self.match_by == "width",
                "match_by=width chooses a width by match=parameters or match=flops, and match is layers",
            ),
            (
                self.match == "flops" and reentry is not None,
                "match=flops cannot count reentry, whose arithmetic depends on the task's vocabulary: match=parameters",
            ),
        ]
