"""Comparisons behind prompts: can reasoning over facts in the weights use facts that the prompt tells?

In front of every training row stand 0 to `facts` atomic facts about known entities, as `<e_10> <attr_3> <1>`, drawn
once for each row. In a share `informative` of the rows the facts that the answer follows from are among them, in the
others they are not, so that the model needs those in its weights:

    <e_7> <attr_1> <4> <attr_3> <q> <e_10> <mask> <e_105>                  <attr_3_0>   not informative, one fact
    <e_105> <attr_3> <4> <e_10> <attr_3> <1> <attr_3> <q> <e_10> <mask> <e_105>    <attr_3_0>   informative, two facts

The held-out splits are those of the task without prompts, row by row. New entities, which no training row has, are
asked for in diagnostic splits:

    told_K               two new entities behind K facts about new entities, from which the answer follows (K >= 2)
    told_0               the same questions behind none: what can be guessed
    untold               the same questions behind `facts` facts from which it does not follow: the control
    told_new_old         a new entity, which the prompt tells of, and a known one, which it does not
    told_atomic          the value of a new entity, which the prompt tells: is it copied?
    iid_prompted         test_inferred_iid behind `facts` facts from which the answer does not follow

A new entity is a token at the end of the vocabulary, and keeps the weights that it was drawn with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, Prompts
from grokcore.tasks.attribute_facts import LABELS, AttributeFacts, Tokens, inferred_baseline
from grokcore.tasks.base import MAX_ROWS, Rows, Split, TaskData
from grokcore.tasks.prompts import distinct, shuffled
from grokcore.tasks.random import Indices, Stream

FACT = 3
"""Tokens of a fact in a prompt."""
ATOMIC, COMPARISON = 2, 5
"""Tokens of a question without its prompt."""


@dataclass(frozen=True)
class Facts:
    """F atomic facts, as tokens (F, 3): entity, attribute, value; number e A + a is that of entity e by attribute a."""

    tokens: Indices
    attributes: int

    @classmethod
    def of(cls, values: Indices, entities: Indices, tokens: Tokens) -> Facts:
        """Return the facts of entities with the tokens (E,) and the values (A, E)."""
        attributes, count = values.shape
        entity, attribute = np.divmod(np.arange(count * attributes), attributes)
        columns = [entities[entity], tokens.attribute(attribute), tokens.value(values[attribute, entity])]
        return cls(np.stack(columns, axis=1), attributes)

    def number(self, entity: Indices, attribute: Indices) -> Indices:
        """Return the number of each fact."""
        return entity * self.attributes + attribute


def with_prompts(
    task: ComparisonTask, prompts: Prompts, known: AttributeFacts, tokens: Tokens, data: TaskData
) -> TaskData:
    """Put prompts in front of the training rows, and add the splits that ask for new entities.

    Args:
        known: the entities that training is about, and their values.
        data: the data of the task without prompts.

    Raises:
        InputError: the data are too many, or the facts are fewer than a prompt has.
    """
    rows = sum(map(len, data.train.values()))
    if rows * (FACT * prompts.facts + COMPARISON) > 20 * MAX_ROWS:
        raise InputError(f"{rows} training rows behind prompts.facts={prompts.facts} do not fit in memory: lower it")
    old = Facts.of(known.values, np.arange(known.entities), tokens)
    if (fewest := min(known.entities, prompts.new_entities) * task.attributes - 2) < prompts.facts:
        raise InputError(
            f"prompts.facts={prompts.facts} is more than the {fewest} other facts that there are: lower it, or raise "
            f"entities, attributes or prompts.new_entities"
        )
    train = {split: _trained(task, prompts, old, split, rows) for split, rows in data.train.items()}
    new = _NewEntities(task, prompts, known, tokens, len(data.vocabulary))
    probes = dict(data.probes)
    for split, found in train.items():
        chosen = Stream(task.seed, "comparison", "probes", split).sample(len(found), task.probe_size)
        probes[split] = found[chosen]
    held_out = data.probes["test_inferred_iid"]
    count = np.full(len(held_out), prompts.facts)
    added = {
        **new.questions(),
        "iid_prompted": prompted(_stream(task, "iid_prompted"), old, held_out, _needed(old, held_out), count),
    }
    splits = dict(data.splits)
    for split, found in added.items():
        splits[split] = (
            Split("diagnostic", len(found), new.majority_baseline, 1 / task.values)
            if split == "told_atomic"
            else Split("diagnostic", len(found), inferred_baseline(tokens, found), 1 / LABELS)
        )
    vocabulary = (*data.vocabulary, *(f"<e_{task.entities + number}>" for number in range(prompts.new_entities)))
    return replace(data, vocabulary=vocabulary, prefixes=(), train=train, probes=probes | added, splits=splits)


def without_prompts(split: str, rows: Rows) -> Rows:
    """Return the questions of a split alone: what stands behind the facts."""
    asked = ATOMIC if split in ("id_atomic", "ood_atomic", "told_atomic") else COMPARISON
    tokens = np.zeros((len(rows), COMPARISON), np.int32)
    places = rows.lengths[:, np.newaxis] - asked + np.arange(asked)
    tokens[:, :asked] = np.take_along_axis(rows.tokens, places, axis=1)
    return Rows(tokens, np.full_like(rows.lengths, asked), rows.answers)


def prompted(
    stream: Stream,
    facts: Facts,
    rows: Rows,
    needed: Indices,
    count: Indices,
    told: npt.NDArray[np.bool_] | None = None,
) -> Rows:
    """Put facts in front of questions of one length.

    Args:
        facts: those that prompts are made of.
        needed: (N, n) numbers of the facts that each answer follows from.
        count: (N,) facts in front of each question.
        told: (N,) whether the needed facts are among them, where `count` is at least n; None for nowhere.
    """
    size, asked = needed.shape[1], int(rows.lengths[0])
    most = int(count.max(initial=0))
    chosen = distinct(stream, len(facts.tokens) - size, most, len(rows))
    for fact in np.sort(needed, axis=1).T:  # facts are numbered without those that are needed
        chosen += chosen >= fact[:, np.newaxis]
    chosen = shuffled(stream, chosen)
    if told is not None and told.any():
        chosen[told, :size] = needed[told]
    tokens, lengths = np.zeros((len(rows), FACT * most + asked), np.int32), FACT * count + asked
    for number in np.unique(count).tolist():
        group = np.flatnonzero(count == number)
        order = shuffled(stream, chosen[group, :number])
        tokens[group, : FACT * number] = facts.tokens[order].reshape(len(group), FACT * number)
        tokens[group, FACT * number : FACT * number + asked] = rows.tokens[group, :asked]
    return Rows(tokens, lengths.astype(np.int32), rows.answers)


def _trained(task: ComparisonTask, prompts: Prompts, old: Facts, split: str, rows: Rows) -> Rows:
    """Return the training rows of a split behind prompts."""
    needed = _needed(old, rows)
    stream = _stream(task, split)
    told = stream.bernoulli(prompts.informative, len(rows))
    least = np.where(told, needed.shape[1], 0)
    words = stream.words(len(rows))
    count = least + (words % (prompts.facts + 1 - least).astype(np.uint64)).astype(np.int64)
    return prompted(stream, old, rows, needed, count, told)


def _needed(old: Facts, rows: Rows) -> Indices:
    """Return the numbers of the facts that the answers to questions about known entities follow from, (N, 1 or 2)."""
    first = int(old.tokens[0, 1])  # the token of attribute 0
    if rows.lengths[0] == ATOMIC:
        entity, attribute = rows.tokens[:, :1], rows.tokens[:, 1:2]
    else:
        entity, attribute = rows.tokens[:, [2, 4]], rows.tokens[:, :1]
    return old.number(entity.astype(np.int64), attribute.astype(np.int64) - first)


def _stream(task: ComparisonTask, *purpose: str) -> Stream:
    return Stream(task.seed, "prompts", *purpose)


class _NewEntities:
    """The entities that no training row has, and the questions for them."""

    def __init__(
        self, task: ComparisonTask, prompts: Prompts, known: AttributeFacts, tokens: Tokens, first: int
    ) -> None:
        """Draw their values; `first` is the token of the first of them."""
        self.task, self.prompts, self.known, self.tokens, self.first = task, prompts, known, tokens, first
        size = task.attributes * prompts.new_entities
        self.values = _stream(task, "values").integers(task.values, size).reshape(task.attributes, -1)
        self.facts = Facts.of(self.values, first + np.arange(prompts.new_entities), tokens)

    @property
    def majority_baseline(self) -> float:
        counts = [int(np.bincount(values).max()) for values in self.values]
        return sum(counts) / self.values.size

    def questions(self) -> dict[str, Rows]:
        """Return the rows of every split about new entities."""
        most, (rows, needed) = self.prompts.facts, self._new_new()
        found = {f"told_{count}": self._told("told", rows, needed, count) for count in (0, *range(2, most + 1))}
        found["untold"] = self._behind("untold", rows, needed, most, np.zeros(len(rows), bool))
        found["told_new_old"] = self._told("told_new_old", *self._new_old(), most)
        found["told_atomic"] = self._told("told_atomic", *self._atomic(), most)
        return found

    def _told(self, purpose: str, rows: Rows, needed: Indices, count: int) -> Rows:
        """Return questions behind `count` facts, the needed ones among them unless it is 0."""
        return self._behind(purpose, rows, needed, count, np.full(len(rows), count > 0))

    def _behind(self, purpose: str, rows: Rows, needed: Indices, count: int, told: npt.NDArray[np.bool_]) -> Rows:
        stream = _stream(self.task, purpose)
        return prompted(stream, self.facts, rows, needed, np.full(len(rows), count), told)

    def _new_new(self) -> tuple[Rows, Indices]:
        """Return all ordered pairs of new entities by all attributes, or a sample, and the facts needed."""
        new = self.prompts.new_entities
        drawn = self._sample("new_new", self.task.attributes * new * (new - 1))
        attribute, pair = np.divmod(drawn, new * (new - 1))
        one, other = np.divmod(pair, new - 1)
        other += other >= one
        values = self.values[attribute, one], self.values[attribute, other]
        needed = np.stack([self.facts.number(one, attribute), self.facts.number(other, attribute)], axis=1)
        return self._comparisons(attribute, self.first + one, self.first + other, *values), needed

    def _new_old(self) -> tuple[Rows, Indices]:
        """Return a new entity and one that is in-domain for the attribute, in both orders, and the fact needed."""
        attributes, olds = np.nonzero(self.known.id)
        drawn = self._sample("new_old", 2 * len(olds) * self.prompts.new_entities)
        place, rest = np.divmod(drawn, 2 * self.prompts.new_entities)
        new, coin = np.divmod(rest, 2)
        attribute, old, swapped = attributes[place], olds[place], coin == 1
        entities = np.stack([old, self.first + new], axis=1)
        values = np.stack([self.known.values[attribute, old], self.values[attribute, new]], axis=1)
        entities[swapped], values[swapped] = entities[swapped, ::-1], values[swapped, ::-1]
        rows = self._comparisons(attribute, *entities.T, *values.T)
        return rows, self.facts.number(new, attribute)[:, np.newaxis]

    def _atomic(self) -> tuple[Rows, Indices]:
        """Return the questions for the values of the new entities, and the fact needed."""
        number = self._sample("atomic", len(self.facts.tokens))
        entity, attribute, value = self.facts.tokens[number].T
        return Rows.of_columns([entity, attribute], value), number[:, np.newaxis]

    def _sample(self, purpose: str, population: int) -> Indices:
        if population > MAX_ROWS:
            raise InputError(
                f"prompts.new_entities={self.prompts.new_entities} gives {population} questions, more than the "
                f"{MAX_ROWS} that can be drawn from: lower it"
            )
        return _stream(self.task, "sample", purpose).sample(population, self.task.probe_size)

    def _comparisons(
        self, attribute: Indices, first: Indices, second: Indices, first_value: Indices, second_value: Indices
    ) -> Rows:
        tokens = self.tokens
        answers = tokens.label(attribute, np.sign(first_value - second_value) + 1)
        q, mask = tokens.special("<q>"), tokens.special("<mask>")
        return Rows.of_columns([tokens.attribute(attribute), q, first, mask, second], answers)
