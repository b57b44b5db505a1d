"""What every task's description has."""

from __future__ import annotations

from grokcore.spec.base import Spec

GENERATOR_VERSIONS = (2, 3)
"""Versions of the generator that some kind of task is made by."""


class Task(Spec):
    """A description that decides a data set."""

    @property
    def generator_version(self) -> int:
        """Version of the generator that makes the data: raised, for the kind alone, when the same task gives others."""
        return 2
