"""A shard of a sweep: the runs that one of several machines trains into the same store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grokcore.errors import InputError

T = TypeVar("T")

_TEXT = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` shards, from 0, as `JOB_COMPLETION_INDEX` of an Indexed Job counts."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `3/16`.

        Raises:
            InputError: it is no shard.
        """
        match = _TEXT.fullmatch(text)
        if match is None or not int(match[1]) < int(match[2]):
            raise InputError(f"--shard {text}: write INDEX/COUNT with an index from 0, for example 0/4 to 3/4")
        return cls(int(match[1]), int(match[2]))

    @property
    def is_whole(self) -> bool:
        """Whether it is the only shard."""
        return self.count == 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, points: Iterable[Sequence[T]]) -> list[T]:
        """Return this shard's part of the runs of all points.

        Points are dealt out whole, since a GPU trains the seeds of a point together; single runs where there are fewer
        points than shards.
        """
        points = list(points)
        parts = points if len(points) >= self.count else [[run] for runs in points for run in runs]
        return [run for runs in parts[self.index :: self.count] for run in runs]


WHOLE = Shard(0, 1)
