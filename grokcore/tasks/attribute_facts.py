"""Atomic facts, entity and attribute -> value, and the tokens in which they and their comparisons are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.tasks.base import MAX_ROWS, SPECIALS, Rows, majority_baseline
from grokcore.tasks.facts import FactTable, numbered, token_name
from grokcore.tasks.random import Indices, Stream

LABELS = 3
"""Smaller, equal, greater: each attribute has its own three."""


@dataclass(frozen=True)
class AttributeFacts:
    """The facts about A attributes and E entities.

    Attributes:
        values: (A, E) int64, indices of values in ascending order.
        id: (A, E) bool, whether the entity is in-domain for the attribute.
        ood: (A, E) bool, whether it is out-of-domain for it; neither where it has no value.
        admitted: (A,) int64, values that the attribute can take.
    """

    values: Indices
    id: npt.NDArray[np.bool_]
    ood: npt.NDArray[np.bool_]
    admitted: Indices

    @property
    def attributes(self) -> int:
        return len(self.values)

    @property
    def entities(self) -> int:
        return int(self.values.shape[1])

    @cached_property
    def id_count(self) -> int:
        """In-domain atomic facts."""
        return int(np.count_nonzero(self.id))

    def compare(self, attribute: Indices | int, first: Indices, second: Indices) -> Indices:
        """0 where the first entity's value is smaller, 1 where they are equal, 2 where it is greater."""
        difference: Indices = self.values[attribute, first] - self.values[attribute, second]
        return np.sign(difference) + 1

    def code(self, attribute: Indices | int, first: Indices, second: Indices) -> Indices:
        """One number for each comparison."""
        coded: Indices = (attribute * self.entities + first) * self.entities + second
        return coded

    def decoded(self, codes: Indices) -> tuple[Indices, Indices, Indices]:
        """Attribute, first entity and second entity of each comparison."""
        rest, second = np.divmod(codes, self.entities)
        attribute, first = np.divmod(rest, self.entities)
        return attribute, first, second

    def both_orders(self, attribute: int, first: Indices, second: Indices) -> Indices:
        """(2 N,) the codes of (first, second) and (second, first) of each of N pairs, one after the other."""
        codes = np.empty((len(first), 2), np.int64)
        codes[:, 0] = self.code(attribute, first, second)
        codes[:, 1] = self.code(attribute, second, first)
        return codes.ravel()

    def chance(self, chosen: npt.NDArray[np.bool_]) -> float:
        """Accuracy of a uniform guess, over the chosen facts (A, E), among the values that the attribute can take."""
        facts = np.count_nonzero(chosen, axis=1)
        return math.fsum(facts / self.admitted) / int(np.sum(facts))

    def majority_baseline(self, chosen: npt.NDArray[np.bool_]) -> float:
        """Best constant guess per attribute: the value that most of its chosen entities have."""
        hits = sum(
            int(np.bincount(values[mask]).max()) for values, mask in zip(self.values, chosen, strict=True) if mask.any()
        )
        return hits / int(np.count_nonzero(chosen))


def draw_facts(seed: int, kind: str, *, entities: int, attributes: int, values: int, in_domain: int) -> AttributeFacts:
    """Values drawn uniformly, and for each attribute a random `in_domain` of the entities."""
    drawn = np.empty((attributes, entities), np.int64)
    ood = np.zeros((attributes, entities), bool)
    for attribute in range(attributes):
        drawn[attribute] = Stream(seed, kind, "values", attribute).integers(values, entities)
        ood[attribute, Stream(seed, kind, "ood", attribute).sample(entities, entities - in_domain)] = True
    return AttributeFacts(drawn, ~ood, ood, np.full(attributes, values))


def split_facts(seed: int, kind: str, table: FactTable, id_ratio: float) -> AttributeFacts:
    """Facts as they were given; for each attribute a random `id_ratio` of the entities that have it is in-domain.

    Raises:
        InputError: they are too many for memory.
    """
    shape = (len(table.relations), len(table.subjects))
    if shape[0] * shape[1] > MAX_ROWS:
        raise InputError(
            f"the facts have {shape[1]} entities and {shape[0]} attributes: their product may be at most {MAX_ROWS}"
        )
    values, known, ood = np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, bool)
    values[table.relation, table.subject] = table.object
    known[table.relation, table.subject] = True
    admitted = np.empty(shape[0], np.int64)
    for attribute in range(shape[0]):
        entities = np.flatnonzero(known[attribute])
        drawn = Stream(seed, kind, "ood", attribute)
        ood[attribute, entities[drawn.sample(len(entities), len(entities) - round(len(entities) * id_ratio))]] = True
        admitted[attribute] = len(np.unique(values[attribute, entities]))
    return AttributeFacts(values, known & ~ood, ood, admitted)


@dataclass(frozen=True)
class Tokens:
    """The ids of the vocabulary: entities, attributes, values, specials, three labels per attribute."""

    entities: tuple[str, ...]
    attributes: tuple[str, ...]
    values: tuple[str, ...]

    @classmethod
    def numbered(cls, *, entities: int, attributes: int, values: int) -> Tokens:
        """Return the names for drawn facts."""
        return cls(numbered(entities), numbered(attributes), numbered(values))

    @classmethod
    def named(cls, table: FactTable) -> Tokens:
        """Return the names of a user's own facts."""
        attributes = tuple(_unlike_a_label(token_name(name)) for name in table.relations)
        return cls(tuple(map(token_name, table.subjects)), attributes, tuple(map(token_name, table.objects)))

    def vocabulary(self) -> tuple[str, ...]:
        return (
            *(f"<e_{entity}>" for entity in self.entities),
            *(f"<attr_{attribute}>" for attribute in self.attributes),
            *(f"<{value}>" for value in self.values),
            *SPECIALS,
            *(f"<attr_{attribute}_{label}>" for attribute in self.attributes for label in range(LABELS)),
        )

    def attribute(self, attribute: Indices) -> Indices:
        return attribute + len(self.entities)

    def value(self, value: Indices) -> Indices:
        return value + len(self.entities) + len(self.attributes)

    def special(self, token: str) -> int:
        return len(self.entities) + len(self.attributes) + len(self.values) + SPECIALS.index(token)

    def label(self, attribute: Indices, label: Indices) -> Indices:
        return self.special(SPECIALS[-1]) + 1 + attribute * LABELS + label

    def comparison_prefixes(self) -> tuple[tuple[int, ...], ...]:
        """`<attr> <q>`, with which every question for a comparison by an attribute begins."""
        q = self.special("<q>")
        return tuple((len(self.entities) + attribute, q) for attribute in range(len(self.attributes)))


def inferred_baseline(tokens: Tokens, rows: Rows) -> float:
    """Best constant guess per attribute: the label that is right most often."""
    labels = rows.answers - tokens.label(np.array(0), np.array(0))
    counts = np.bincount(labels, minlength=len(tokens.attributes) * LABELS)
    return majority_baseline(counts.reshape(-1, LABELS))


def _unlike_a_label(attribute: str) -> str:
    """Let the attribute x_0 not be the label 0 of the attribute x: its last underscore is percent-encoded."""
    stem, separator, number = attribute.rpartition("_")
    return f"{stem}%5F{number}" if separator and number in map(str, range(LABELS)) else attribute
