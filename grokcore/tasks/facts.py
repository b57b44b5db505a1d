"""A user's own facts: triples of names, each known by the SHA-256 of its one text form."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from grokcore.tasks.random import Indices

FactKind = Literal["attributes", "relations"]
"""attributes: an entity has a value, and values have an order. relations: an entity leads to an entity."""
COLUMNS: dict[FactKind, tuple[str, str, str]] = {
    "attributes": ("entity", "attribute", "value"),
    "relations": ("subject", "relation", "object"),
}
AUGMENTED = "augmented"
"""A further column of 0 and 1, only there if facts are augmented."""
_CHUNK = 100_000


@dataclass(frozen=True)
class FactTable:
    """N facts (subject, relation, object), at most one for each subject and relation.

    Attributes:
        kind: what the three columns mean.
        subjects: names of the entities that have facts, in alphabetical order; with relations, of all entities.
        relations: names of the relations or attributes, in alphabetical order.
        objects: names of the values in ascending order; with relations, the same entities as in `subjects`.
        subject: (N,) int64, indices of `subjects`; facts are ordered by subject and then by relation.
        relation: (N,) int64.
        object: (N,) int64.
        augmented: (N,) bool, facts that training has besides, of which no held-out question is made; None for none.
    """

    kind: FactKind
    subjects: tuple[str, ...]
    relations: tuple[str, ...]
    objects: tuple[str, ...]
    subject: Indices
    relation: Indices
    object: Indices
    augmented: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.subject)

    def encoded(self) -> Iterator[bytes]:
        """The facts as CSV, piece by piece: the same facts always give the same bytes."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = [self.subjects, self.relations, self.objects]
        indices = [self.subject, self.relation, self.object]
        header: tuple[str, ...] = COLUMNS[self.kind]
        if self.augmented is not None:
            names.append(("0", "1"))
            indices.append(self.augmented.astype(np.int64))
            header = (*header, AUGMENTED)
        writer.writerow(header)
        for start in range(0, len(self), _CHUNK):
            rows = slice(start, start + _CHUNK)
            columns = [[known[index] for index in of[rows].tolist()] for known, of in zip(names, indices, strict=True)]
            writer.writerows(zip(*columns, strict=True))
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the CSV, hexadecimal: what a task's field `facts` holds."""
        digest = hashlib.sha256()
        for piece in self.encoded():
            digest.update(piece)
        return digest.hexdigest()


def numbered(count: int) -> tuple[str, ...]:
    """The names of what was drawn rather than given: 0, 1, 2, ..."""
    return tuple(map(str, range(count)))


def token_name(name: str) -> str:
    """A name as it can stand between < and >: what would end or hide a token is percent-encoded, uniquely."""
    return "".join(
        character if character.isprintable() and character not in "<>%" else _percent_encoded(character)
        for character in name
    )


def _percent_encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def unless_given(task: Any, advice: str, otherwise: str) -> str:
    """`advice` on the counts of a task, or `otherwise` where the user's own facts decide them.

    Advice must not name a field that the command line refuses, since a file fixes it.
    """
    return advice if getattr(task, "facts", None) is None else otherwise
