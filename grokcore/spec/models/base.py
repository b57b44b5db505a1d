"""The base classes of the fields of every architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from grokcore.spec.base import Spec, added_later
from grokcore.spec.composition import MemorySpec, RecurrenceSpec, SharedBlocks, SharedMLP, SharingSpec
from grokcore.spec.start_from import StartFrom


class Model(Spec):
    """The fields of every architecture."""

    if TYPE_CHECKING:  # every subclass has these, each with a default of its own
        architecture: str
        tie_embeddings: bool

    HAS_MLP: ClassVar[bool] = True
    """Whether its blocks have a channel mixer that layers could share."""
    PYTORCH_INIT: ClassVar[bool] = False
    """Whether it is made of modules for which PyTorch has initial weights of its own."""
    SEMANTICS: ClassVar[int] = 1
    """Raised, for the architecture alone, when the same spec and data would give another curve."""

    implementation: Literal["fast", "transformers"] = Field(
        "fast",
        description="whose code computes the model: fast (made for short sequences) or transformers (the Hugging Face "
        "classes); both begin with the same weights and read each other's files",
    )
    layers: int = Field(2, ge=1, le=256, description="number of blocks with weights of their own")
    width: int = Field(128, ge=8, le=65536, description="width of the residual stream")
    init: Literal["published", "original", "pytorch"] = Field(
        "published",
        description="initial weights: published (transformers' own, as published studies used), original (the "
        "architecture's own paper and code) or, gpt2 alone, pytorch (defaults of torch.nn: embeddings with a standard "
        "deviation of 1, as in the public code of arXiv 2405.20233)",
    )
    init_scale: float = added_later(
        1.0, gt=0, le=1e3, description="what all matrices are multiplied by before the first step (arXiv 2210.01117)"
    )
    init_row_norm: float | None = added_later(
        None, gt=0, le=1e3, description="L2 norm of every row of every matrix before the first step; null: as drawn"
    )
    start_from: StartFrom | None = added_later(
        None, description="weights of another model that this one starts from; null starts from drawn ones alone"
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
        start = self.start_from
        architecture = getattr(self, "architecture", type(self).__name__)
        return [
            (
                self.init == "pytorch" and not self.PYTORCH_INIT,
                f"init=pytorch is known for gpt2, not for {architecture}: use published or original",
            ),
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
                self.init_scale != 1 and self.init_row_norm is not None,
                "init_scale is undone by init_row_norm, which sets the norm of each row: set one of them",
            ),
            (
                start is not None and start.parts == "all" and (self.init_scale != 1 or self.init_row_norm is not None),
                "start_from.parts=all replaces what init_scale and init_row_norm act on: leave these out",
            ),
            (
                self.implementation == "transformers" and start is not None and start.parts != "all" and start.project,
                "implementation=transformers trains no product A B: implementation=fast, or start_from.project=false",
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


class FastOnly(Model):
    """The fields of an architecture that `fast` alone computes."""

    @field_validator("implementation")
    @classmethod
    def _computed_by_fast(cls, implementation: str) -> str:
        if implementation != "fast":
            kind = cls.model_fields["architecture"].default
            raise ValueError(f"transformers has no {kind}: only implementation=fast computes it")
        return implementation


class Transformer(Model):
    """The fields of every architecture with attention heads."""

    heads: int = Field(4, ge=1, le=65_536, description="number of attention heads; divides width")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Transformer:
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} must divide width={self.width}")
        return self
