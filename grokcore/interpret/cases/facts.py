"""Atomic facts as tokens, found by subject and relation, by relation, by subject or by object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grokcore.data import Rows
from grokcore.interpret.cases.pools import Pools
from grokcore.tasks.random import Indices


@dataclass(frozen=True)
class Facts:
    """F atomic facts, as token ids.

    Attributes:
        subject, relation, object: (F,) int64; no two facts have the same subject and relation.
        domain: (F,) int64, equal for facts of one split, such as the in-domain ones.
    """

    subject: Indices
    relation: Indices
    object: Indices
    domain: Indices

    @classmethod
    def read_back(cls, train: Mapping[str, Rows]) -> Facts:
        """Return the facts of all training rows `<subject> <relation>`; their domain is the number of their split."""
        parts = [(rows[rows.lengths == 2], number) for number, rows in enumerate(train.values())]
        tokens = np.concatenate([part.tokens[:, :2] for part, _ in parts]).astype(np.int64)
        objects = np.concatenate([part.answers for part, _ in parts]).astype(np.int64)
        domain = np.concatenate([np.full(len(part), number, np.int64) for part, number in parts])
        return cls(tokens[:, 0], tokens[:, 1], objects, domain)

    def find(self, subject: Indices, relation: Indices) -> Indices:
        """Return the number of each fact, of any shape; -1 where there is none."""
        code = subject * self._radix + relation
        place = np.minimum(np.searchsorted(self._codes, code), len(self._codes) - 1)
        found: Indices = np.where(self._codes[place] == code, self._order[place], -1)
        return found

    @cached_property
    def by_subject(self) -> Pools:
        return Pools(self.subject)

    @cached_property
    def by_relation(self) -> Pools:
        return Pools(self.relation)

    @cached_property
    def by_object(self) -> Pools:
        return Pools(self.object)

    @cached_property
    def _radix(self) -> int:
        """Larger than any token, so that a subject and a relation give one number."""
        return int(max(self.subject.max(), self.relation.max(), self.object.max())) + 1

    @cached_property
    def _order(self) -> Indices:
        return np.argsort(self.subject * self._radix + self.relation)

    @cached_property
    def _codes(self) -> Indices:
        codes: Indices = (self.subject * self._radix + self.relation)[self._order]
        return codes


class RowSet:
    """Questions of one length, to look up whether others are among them.

    The columns are coded one after the other, each together with the number of what precedes it: one number for a whole
    row would overflow.
    """

    def __init__(self, tokens: npt.NDArray[np.integer]) -> None:
        """Index questions (N, T)."""
        self._radix = int(tokens.max(initial=0)) + 1
        self._levels: list[Indices] = []
        number = np.zeros(len(tokens), np.int64)
        for column in tokens.T:
            codes, number = np.unique(number * self._radix + column, return_inverse=True)
            self._levels.append(codes)

    def contains(self, columns: Sequence[Indices | int]) -> npt.NDArray[np.bool_]:
        """Return which questions are in the set, given token by token as T arrays of one shape, or numbers."""
        number: Indices = np.zeros((), np.int64)
        known: npt.NDArray[np.bool_] = np.ones((), bool)
        for codes, column in zip(self._levels, columns, strict=True):
            code = number * self._radix + column
            number = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
            known = known & (column < self._radix) & (codes[number] == code)
        return known


Allowed = Callable[[Sequence[Indices]], npt.NDArray[np.bool_]]
"""Questions, given token by token as arrays that broadcast -> whether each may be a counterfactual."""


class Training:
    """The training rows, to look up which questions are among them."""

    def __init__(self, train: Mapping[str, Rows]) -> None:
        self._train = train
        self._sets: dict[tuple[tuple[str, ...], int], RowSet] = {}

    def alike(self, split: str, length: int) -> Allowed:
        """Return the rule that the counterfactual of a training row is a training row of its split, and that of any
        other row is no training row: a model that only remembers answers both of them or neither."""
        trained = split in self._train
        splits = (split,) if trained else tuple(self._train)
        if (splits, length) not in self._sets:
            parts = [self._train[name] for name in splits]
            tokens = np.concatenate([part.tokens[part.lengths == length, :length] for part in parts])
            self._sets[splits, length] = RowSet(tokens)
        rows = self._sets[splits, length]
        return lambda columns: rows.contains(columns) == trained
