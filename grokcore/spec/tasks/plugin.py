"""Tasks of other packages and of notebooks, and what is known of one whose code is not here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, computed_field, model_validator

from grokcore.spec.base import outside_identity
from grokcore.spec.plugins.part import DESCRIPTION, as_recorded, with_origin
from grokcore.spec.plugins.source import PluginSource
from grokcore.spec.tasks.base import Task


class PluginTask(Task):
    """The base class of the fields of a task that is not grokcore's own.

    A subclass has `kind: Literal["NAME"] = "NAME"` and fields of its own, all of which decide the data. Its splits are
    `train` and, unless it overrides `held_out_splits`, `test`.
    """

    RULED: ClassVar[frozenset[str] | None] = frozenset({"kind", "seed", "plugin"})

    kind: str
    seed: int = Field(0, ge=0, description="seed of the data")
    plugin: PluginSource | None = Field(None, description=DESCRIPTION)

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test",)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def held_out(self) -> tuple[str, ...]:
        """`held_out_splits`, written down for readers that do not have the code."""
        return self.held_out_splits

    @model_validator(mode="before")
    @classmethod
    def _comes_from(cls, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        given = {name: value for name, value in document.items() if name != "held_out"}
        return with_origin("task", cls.model_fields["kind"].default, given)


class RecordedTask(Task):
    """A task of another package as a spec records it, whose code is not here; its fields are plain values."""

    model_config = ConfigDict(extra="allow")
    RULED: ClassVar[frozenset[str] | None] = frozenset({"kind", "seed", "plugin", "held_out"})

    kind: str
    seed: int = Field(0, ge=0, description="seed of the data")
    plugin: PluginSource = Field(description=DESCRIPTION)
    held_out: tuple[str, ...] = outside_identity(("test",), description="its held-out splits", min_length=1)

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        return self.held_out

    @model_validator(mode="before")
    @classmethod
    def _is_plain(cls, document: Any) -> Any:
        return as_recorded(document)
