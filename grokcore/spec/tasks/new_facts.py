"""The fields of `new_facts`: what a second training adds to the facts of a first."""

from __future__ import annotations

from pydantic import Field, model_validator

from grokcore.spec.base import Spec


class NewFacts(Spec):
    """Facts that a second training adds to those of a first: what does a grokked start gain? (arXiv 2601.09049)."""

    facts: int = Field(
        2000, ge=0, le=10_000_000, description="new atomic facts; 0 only reserves entities, for the first training"
    )
    chained: int | None = Field(
        None, ge=0, description="new facts whose tail is the head of new facts; null for half of them"
    )
    reserved_entities: int = Field(
        0,
        ge=0,
        le=100_000,
        description="further entities in the vocabulary, which only new facts are about; "
        "model.start_from.redraw_reserved draws their embeddings, which the decay of the first training shrinks",
    )
    share_in_inferred: float = Field(
        0.0, ge=0, le=1, description="share of the new facts that training also composes, inside [0, 1]"
    )

    @model_validator(mode="after")
    def _possible(self) -> NewFacts:
        if self.chained is not None and self.chained > self.facts:
            raise ValueError(f"chained={self.chained} is more than facts={self.facts}: lower chained or raise facts")
        if not self.facts and not self.reserved_entities:
            raise ValueError("facts=0 without reserved_entities adds nothing: raise one, or set new_facts=null")
        if not self.facts and self.share_in_inferred:
            raise ValueError("share_in_inferred is a share of the new facts: raise facts, or leave it out")
        return self

    @property
    def chained_facts(self) -> int:
        """New facts whose tail is the head of new facts."""
        return self.facts // 2 if self.chained is None else self.chained


class NewEntities(Spec):
    """Entities that a second training is told the values of, and asked to compare (after arXiv 2601.09049)."""

    reserved_entities: int = Field(
        40, ge=2, le=10_000, description="further entities in the vocabulary, with a value for every attribute"
    )
    stated: bool = Field(
        True, description="whether training states their values; false only reserves them, for the first training"
    )
    share_in_inferred: float = Field(
        0.0, ge=0, le=1, description="share of the new entities that training also compares, inside [0, 1]"
    )

    @model_validator(mode="after")
    def _compares_what_is_stated(self) -> NewEntities:
        if not self.stated and self.share_in_inferred:
            raise ValueError("share_in_inferred is a share of the stated entities: set stated=true, or leave it out")
        return self
