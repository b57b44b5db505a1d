"""Comparisons behind prompts: does reasoning over facts in the weights use facts that a prompt tells?

In front of every question stand up to `facts` atomic facts, drawn once for each row. About half of them are true facts
about known entities, and the others are about new entities, whose values every prompt draws anew, so that no weights
can hold them:

    <e_210> <attr_1> <4> <e_7> <attr_3> <0> <attr_3> <q> <e_10> <mask> <e_105>       <attr_3_0>   from the weights
    <e_203> <attr_3> <4> <e_201> <attr_3> <1> <attr_3> <q> <e_201> <mask> <e_203>    <attr_3_0>   from the prompt

The prompts of the task's own training rows have 0 to `facts` facts, none of which the answer follows from. Its
held-out splits are those of the task without prompts, row by row. `rows` further training rows ask for the first half
of the new entities, half of them for a value, behind prompts that the answer follows from. The second half stands in
prompts of training too, and is asked for in tests alone:

    told_train, told_atomic_train     the further rows: comparisons, values                           train
    told_K                            two new entities of the second half, K >= 2 facts that tell     diagnostic
    told_0                            the same, and no facts: what can be guessed                     diagnostic
    untold                            the same, `facts` facts that do not tell: the control           diagnostic
    told_new_old                      a new entity, which the prompt tells of, and a known one        diagnostic
    told_atomic                       the value of a new entity: is it copied?                        diagnostic
    told_asked                        told_K for the first half, K = `facts`, if training asks        diagnostic
    iid_prompted                      test_inferred_iid behind `facts` facts that do not help         diagnostic
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, Prompts
from grokcore.tasks.attribute_facts import LABELS, AttributeFacts, Tokens, inferred_baseline
from grokcore.tasks.base import MAX_ROWS, Role, Rows, Split, TaskData, majority_baseline
from grokcore.tasks.prompts import distinct, shuffled
from grokcore.tasks.random import Indices, Stream

FACT = 3
"""Tokens of a fact in a prompt."""
ATOMIC, COMPARISON = 2, 5
"""Tokens of a question without its prompt."""


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
    rows = sum(map(len, data.train.values())) + prompts.rows
    if rows * (FACT * prompts.facts + COMPARISON) > 20 * MAX_ROWS:
        raise InputError(f"{rows} training rows behind prompts.facts={prompts.facts} do not fit in memory: lower it")
    if (fewest := min(known.entities, prompts.new_entities) * task.attributes - 2) < prompts.facts:
        raise InputError(
            f"prompts.facts={prompts.facts} is more than the {fewest} other facts that there are: lower it, or raise "
            f"entities, attributes or prompts.new_entities"
        )
    drawn = _Prompts(task, prompts, known, tokens, len(data.vocabulary))
    train = {split: drawn.from_weights(split, found) for split, found in data.train.items()} | drawn.further_rows()
    held_out = data.probes["test_inferred_iid"]
    tests = {**drawn.tests(), "iid_prompted": drawn.from_weights("iid_prompted", held_out, full=True)}
    probes, splits = {**data.probes, **tests}, dict(data.splits)
    for split, found in train.items():
        probes[split] = found[Stream(task.seed, "comparison", "probes", split).sample(len(found), task.probe_size)]
    for split, found in {**train, **tests}.items():
        if split not in splits:
            splits[split] = drawn.described("train" if split in train else "diagnostic", found, "atomic" in split)
    vocabulary = (*data.vocabulary, *(f"<e_{task.entities + number}>" for number in range(prompts.new_entities)))
    names = [*train, *(split for split in splits if split not in train)]
    return replace(
        data,
        vocabulary=vocabulary,
        prefixes=(),
        train=train,
        probes={split: probes[split] for split in names},
        splits={split: splits[split] for split in names},
    )


def without_prompts(split: str, rows: Rows) -> Rows:
    """Return the questions of a split alone: what stands behind the facts."""
    asked = ATOMIC if "atomic" in split else COMPARISON
    tokens = np.zeros((len(rows), COMPARISON), np.int32)
    places = rows.lengths[:, np.newaxis] - asked + np.arange(asked)
    tokens[:, :asked] = np.take_along_axis(rows.tokens, places, axis=1)
    return Rows(tokens, np.full_like(rows.lengths, asked), rows.answers)


@dataclass(frozen=True)
class _Told:
    """N questions that a prompt answers.

    Attributes:
        rows: the questions and their answers.
        needed: (N, n) numbers of the facts about new entities that the answers follow from.
        facts: (N, n, 3) these facts as tokens.
    """

    rows: Rows
    needed: Indices
    facts: Indices


class _Prompts:
    """Everything that is drawn: facts in front of questions, and questions for new entities.

    Fact e A + a is the one of entity e by attribute a; known and new entities are numbered from 0 each.
    """

    def __init__(
        self, task: ComparisonTask, prompts: Prompts, known: AttributeFacts, tokens: Tokens, first: int
    ) -> None:
        """Take `first` as the token of the first new entity."""
        self.task, self.prompts, self.known, self.tokens, self.first = task, prompts, known, tokens, first
        number = np.arange(known.values.size)
        entity, attribute = np.divmod(number, task.attributes)
        self.known_facts = self._facts(entity, attribute, known.values[attribute, entity])
        self.asked, self.unasked = np.split(np.arange(prompts.new_entities), [prompts.new_entities // 2])

    def from_weights(self, split: str, rows: Rows, *, full: bool = False) -> Rows:
        """Return rows about known entities behind facts that do not help: `facts` of them if `full`, else up to."""
        stream, most = self._stream(split), self.prompts.facts
        entity, attribute = ([0], [1]) if rows.lengths[0] == ATOMIC else ([2, 4], [0])
        number = rows.tokens[:, attribute].astype(np.int64) - self.tokens.attribute(np.array(0))
        needed = rows.tokens[:, entity].astype(np.int64) * self.task.attributes + number
        count = np.full(len(rows), most) if full else stream.integers(most + 1, len(rows))
        return _behind(stream, self._others(stream, needed, _nothing(len(rows))), count, rows)

    def further_rows(self) -> dict[str, Rows]:
        """Return the training rows that their prompts answer, by split."""
        atomic, found = self.prompts.rows // 2, {}
        for split, ask, size in (
            ("told_train", self._pair, self.prompts.rows - atomic),
            ("told_atomic_train", self._value, atomic),
        ):
            if size:
                stream = self._stream(split)
                told = ask(stream, self.asked, size)
                least = told.needed.shape[1]
                count = least + stream.integers(self.prompts.facts + 1 - least, size)
                found[split] = self._told(stream, told, count)
        return found

    def tests(self) -> dict[str, Rows]:
        """Return the rows of the diagnostic splits that ask for new entities."""
        most = self.prompts.facts
        pairs = self._pair(self._stream("pairs"), self.unasked)
        found = {}
        for facts in (0, *range(2, most + 1)):
            found[f"told_{facts}"] = self._told(self._stream("told"), pairs, np.full(len(pairs.rows), facts))
        stream = self._stream("untold")
        others = self._others(stream, _nothing(len(pairs.rows)), pairs.needed)
        found["untold"] = _behind(stream, others, np.full(len(pairs.rows), most), pairs.rows)
        for split, ask, entities in (
            ("told_new_old", self._new_old, self.unasked),
            ("told_atomic", self._value, self.unasked),
            ("told_asked", self._pair, self.asked if self.prompts.rows else self.asked[:0]),
        ):
            if len(entities):
                stream = self._stream(split)
                told = ask(stream, entities)
                found[split] = self._told(stream, told, np.full(len(told.rows), most))
        return found

    def described(self, role: Role, rows: Rows, atomic: bool) -> Split:
        """Return what is said of a split of these rows."""
        if not atomic:
            return Split(role, len(rows), inferred_baseline(self.tokens, rows), 1 / LABELS)
        attribute = rows.tokens[np.arange(len(rows)), rows.lengths - 1] - self.tokens.attribute(np.array(0))
        counts = np.zeros((self.task.attributes, self.task.values), np.int64)
        np.add.at(counts, (attribute, rows.answers - self.tokens.value(np.array(0))), 1)
        return Split(role, len(rows), majority_baseline(counts), 1 / self.task.values)

    def _pair(self, stream: Stream, entities: Indices, size: int | None = None) -> _Told:
        """Ask for two new entities by an attribute, in either order."""
        count = len(entities)
        drawn = self._drawn(stream, self.task.attributes * count * (count - 1), size)
        attribute, pair = np.divmod(drawn, count * (count - 1))
        one, other = np.divmod(pair, count - 1)
        new = entities[np.stack([one, other + (other >= one)], axis=1)]  # (N, 2)
        values = stream.integers(self.task.values, new.size).reshape(new.shape)
        return self._compared(attribute, new, values, self.first + new, values)

    def _new_old(self, stream: Stream, entities: Indices) -> _Told:
        """Ask for a new entity and a known one that is in-domain for the attribute, in either order."""
        attributes, olds = np.nonzero(self.known.id)
        place, rest = np.divmod(self._drawn(stream, 2 * len(olds) * len(entities), None), 2 * len(entities))
        number, coin = np.divmod(rest, 2)
        attribute, old, new, swapped = attributes[place], olds[place], entities[number], coin == 1
        value = stream.integers(self.task.values, len(new))
        both = np.stack([old, self.first + new], axis=1)
        values = np.stack([self.known.values[attribute, old], value], axis=1)
        both[swapped], values[swapped] = both[swapped, ::-1], values[swapped, ::-1]
        return self._compared(attribute, new[:, np.newaxis], value[:, np.newaxis], both, values)

    def _value(self, stream: Stream, entities: Indices, size: int | None = None) -> _Told:
        """Ask for the value of a new entity by an attribute."""
        attribute, number = np.divmod(self._drawn(stream, self.task.attributes * len(entities), size), len(entities))
        new = entities[number]
        facts = self._facts(self.first + new, attribute, stream.integers(self.task.values, len(new)))
        rows = Rows.of_columns([facts[:, 0], facts[:, 1]], facts[:, 2])
        return _Told(rows, (new * self.task.attributes + attribute)[:, np.newaxis], facts[:, np.newaxis])

    def _compared(self, attribute: Indices, new: Indices, told: Indices, both: Indices, values: Indices) -> _Told:
        """Compare two entities with the tokens `both` (N, 2) and these values, of which the prompt tells the new's."""
        q, mask = self.tokens.special("<q>"), self.tokens.special("<mask>")
        answers = self.tokens.label(attribute, np.sign(values[:, 0] - values[:, 1]) + 1)
        rows = Rows.of_columns([self.tokens.attribute(attribute), q, both[:, 0], mask, both[:, 1]], answers)
        by = np.broadcast_to(attribute[:, np.newaxis], new.shape)
        return _Told(rows, new * self.task.attributes + by, self._facts(self.first + new, by, told))

    def _told(self, stream: Stream, told: _Told, count: Indices) -> Rows:
        """Put the facts that tell the answer among `count` (N,) facts, where it is not 0."""
        facts = self._others(stream, _nothing(len(count)), told.needed)
        facts[:, : told.needed.shape[1]] = told.facts
        return _behind(stream, facts, count, told.rows)

    def _others(self, stream: Stream, known: Indices, new: Indices) -> Indices:
        """Draw as many facts as a prompt has at most, about known or new entities by the toss of a coin.

        Args:
            known, new: (N, n) and (N, m) numbers of the facts that are not to be among them.

        Returns:
            (N, facts, 3) tokens; no two facts of a prompt have the same entity and attribute.
        """
        size, most, attributes = len(known), self.prompts.facts, self.task.attributes
        old = _without(stream, self.known.values.size, most, known)
        entity, attribute = np.divmod(_without(stream, self.prompts.new_entities * attributes, most, new), attributes)
        values = stream.integers(self.task.values, size * most).reshape(size, most)
        drawn = self._facts(self.first + entity, attribute, values)
        coin = stream.bernoulli(0.5, size * most).reshape(size, most, 1)
        return np.where(coin, drawn, self.known_facts[old])

    def _facts(self, entity: Indices, attribute: Indices, value: Indices) -> Indices:
        """Return facts as tokens (.., 3) from the token of the entity and the numbers of attribute and value."""
        return np.stack([entity, self.tokens.attribute(attribute), self.tokens.value(value)], axis=-1)

    def _drawn(self, stream: Stream, population: int, size: int | None) -> Indices:
        """Draw `size` numbers of questions with replacement, or without as many as a probe has."""
        if size is not None:
            return stream.integers(population, size)
        if population > MAX_ROWS:
            raise InputError(
                f"prompts.new_entities={self.prompts.new_entities} gives {population} questions, more than the "
                f"{MAX_ROWS} that can be drawn from: lower it"
            )
        return stream.sample(population, self.task.probe_size)

    def _stream(self, purpose: str) -> Stream:
        return Stream(self.task.seed, "prompts", purpose)


def _nothing(size: int) -> Indices:
    return np.zeros((size, 0), np.int64)


def _without(stream: Stream, population: int, size: int, left_out: Indices) -> Indices:
    """Draw, in each of N rows, `size` different numbers below `population` that are not in `left_out` (N, n)."""
    drawn = shuffled(stream, distinct(stream, population - left_out.shape[1], size, len(left_out)))
    for number in np.sort(left_out, axis=1).T:
        drawn += drawn >= number[:, np.newaxis]
    return drawn


def _behind(stream: Stream, facts: Indices, count: Indices, rows: Rows) -> Rows:
    """Put the first `count` (N,) of the facts (N, F, 3), in random order, in front of questions of one length."""
    asked = int(rows.lengths[0])
    tokens = np.zeros((len(rows), FACT * int(count.max()) + asked), np.int32)
    for number in np.unique(count).tolist():
        group = np.flatnonzero(count == number)
        order = shuffled(stream, np.tile(np.arange(number), (len(group), 1)))
        prompt = np.take_along_axis(facts[group], order[:, :, np.newaxis], axis=1)
        tokens[group, : FACT * number] = prompt.reshape(len(group), FACT * number)
        tokens[group, FACT * number : FACT * number + asked] = rows.tokens[group, :asked]
    return Rows(tokens, (FACT * count + asked).astype(np.int32), rows.answers)
