"""The base class of the fields of every task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grokcore.spec.base import Spec, added_later

GENERATOR_VERSIONS = (2, 3)
"""All versions of the generator that are in use by some kind of task."""


class Task(Spec):
    """The fields of every task: they determine the dataset."""

    if TYPE_CHECKING:  # every subclass has these, each with a default or a description of its own
        kind: str
        seed: int

        @property
        def held_out_splits(self) -> tuple[str, ...]:
            """Splits that measure generalization; the last is the one a run is about."""

    @property
    def generator_version(self) -> int:
        """Version of the generator, raised for one kind of task when the same spec gives other data."""
        return 2

    @property
    def supervised(self) -> tuple[int, ...]:
        """Positions of every question, before its last, at which training asks for the next token, too; ascending."""
        return ()


def given_facts() -> Any:
    """Return the field that names facts by their content, so that a spec still determines its data."""
    return added_later(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of a user's own facts, which `grokcore generate --from` sets; null: facts are drawn",
    )
