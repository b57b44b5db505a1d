"""Architectures of other packages and of notebooks, and what is known of one whose code is not here."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from grokcore.spec.models.base import FastOnly, Model
from grokcore.spec.plugins.part import DESCRIPTION, as_recorded, with_origin
from grokcore.spec.plugins.source import PluginSource


class PluginModel(FastOnly):
    """The base class of the fields of an architecture that is not grokcore's own.

    A subclass has `architecture: Literal["NAME"] = "NAME"` and fields of its own, all of which decide the model.
    """

    RULED: ClassVar[frozenset[str] | None] = frozenset({*Model.model_fields, "architecture", "plugin"})

    architecture: str
    plugin: PluginSource | None = Field(None, description=DESCRIPTION)
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head")

    @model_validator(mode="before")
    @classmethod
    def _comes_from(cls, document: Any) -> Any:
        return with_origin("architecture", cls.model_fields["architecture"].default, document)


class RecordedModel(Model):
    """An architecture of another package as a spec records it, whose code is not here; its fields are plain values."""

    model_config = ConfigDict(extra="allow")
    RULED: ClassVar[frozenset[str] | None] = PluginModel.RULED

    architecture: str
    plugin: PluginSource = Field(description=DESCRIPTION)

    @model_validator(mode="before")
    @classmethod
    def _is_plain(cls, document: Any) -> Any:
        return as_recorded(document)

    def _contradictions(self) -> list[tuple[bool, str]]:
        return []
