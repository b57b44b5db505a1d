"""Composition: `<h> <r1> <r2>`, whose answer is two steps from h, over the bridge, and rows of fewer or more steps.

Counterfactuals of a question, of two hops or more, all with another answer unless stated:

    h             another head, which has the same relations on its way
    r1, r2, ..    another relation at one step
    semantic      another head and first relation, whose tail b' has the further relations: replacing the stream at r1
                  is to bring b' along, and so the answer of the further steps from b'
    same bridge   another head and first relation that lead to the same bridge: the answer must stay (specificity)

The counterfactual of a training row is a training row, that of any other row is none, so that both are answered in the
same way, if at all. Its last step is of the same domain as the row's, in-domain or out-of-domain; so are the steps
before where there are such facts: out-of-domain facts are too few for every row to have one at every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grokcore.data import Dataset, Rows
from grokcore.interpret.cases.base import ANSWER, Case, Counterfactual, Target, drawn
from grokcore.interpret.cases.facts import Allowed, Facts, same_training
from grokcore.interpret.cases.pools import MOST, NONE, Flags, choose
from grokcore.spec import CompositionTask
from grokcore.tasks.random import Indices, Stream

_HEADS = 4
"""Facts that are looked at for each bridge of a semantic counterfactual."""


def cases(task: CompositionTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of all splits: chains, atomic facts and identity rows."""
    train = dataset.train_splits()
    facts = Facts.read_back(train)
    return [
        _case(facts, split, rows, same_training(train, split, int(rows.lengths[0])), examples, seed)
        for split, rows in dataset.probes().items()
    ]


def _case(facts: Facts, split: str, rows: Rows, allowed: Allowed, examples: int, seed: int) -> Case:
    hops = int(rows.lengths[0]) - 1
    chosen = rows[drawn(len(rows), examples, seed, split)]
    tokens, answers = chosen.tokens[:, : hops + 1].astype(np.int64), chosen.answers.astype(np.int64)
    roles = ("h", *(f"r{hop}" for hop in range(1, hops + 1)))
    chains = _Chains(facts, tokens, answers, allowed, Stream(seed, "interpret", "counterfactuals", split))
    kinds = [one for one in chains.counterfactuals() if len(one.rows)]
    entities = np.union1d(facts.subject, facts.object)
    last = tokens[:, -1] if hops else None
    targets = [Target(ANSWER, roles[-1], answers, np.unique(facts.object) if hops else entities, last)]
    for hop, fact in enumerate(chains.path[:-1], 1):
        name = "bridge" if hops == 2 else f"bridge {hop}"
        targets.append(Target(name, f"r{hop}", facts.object[fact], np.unique(facts.object), tokens[:, hop]))
    groups = {"h": tokens[:, 0]}
    return Case(split, roles, tokens, answers, tuple(targets), {one.kind: one for one in kinds}, groups, len(rows))


@dataclass(frozen=True)
class _Chains:
    """N questions of one split, `tokens` (N, hops + 1), as paths of facts."""

    facts: Facts
    tokens: Indices
    answers: Indices
    allowed: Allowed
    stream: Stream

    @property
    def hops(self) -> int:
        return int(self.tokens.shape[1]) - 1

    @cached_property
    def path(self) -> list[Indices]:
        """The fact of each step, `hops` arrays (N,)."""
        return self._followed(list(self.tokens.T))

    def counterfactuals(self) -> Iterator[Counterfactual]:
        facts, head, path = self.facts, self.tokens[:, 0], self.path
        if not self.hops:
            yield self._identity()
            return
        first = facts.by_relation.of(self.tokens[:, 1], self.stream)
        yield self._drawn("h", {0: facts.subject[first]}, first != NONE)
        for hop in range(1, self.hops + 1):
            onward = facts.by_subject.of(head if hop == 1 else facts.object[path[hop - 2]], self.stream)
            yield self._drawn(f"r{hop}", {hop: facts.relation[onward]}, onward != NONE)
        if self.hops > 1:
            second = np.repeat(facts.by_relation.of(self.tokens[:, 2], self.stream), _HEADS, axis=1)
            first = facts.by_object.one(np.where(second != NONE, facts.subject[second], NONE), self.stream)
            yield self._drawn("semantic", *self._led_by(first), sites=("r1",))
            first = facts.by_object.of(facts.object[path[0]], self.stream)
            yield self._drawn("same bridge", *self._led_by(first), sites=("r1",), same=True)

    def _led_by(self, first: Indices) -> tuple[dict[int, Indices], Flags]:
        """Return the tokens in which questions with these first facts (N, P) differ, and which differ in both."""
        head, relation = self.facts.subject[first], self.facts.relation[first]
        other = (head != self.tokens[:, :1]) & (relation != self.tokens[:, 1:2])
        return {0: head, 1: relation}, (first != NONE) & other

    def _drawn(
        self,
        kind: str,
        changed: dict[int, Indices],
        valid: Flags,
        *,
        sites: tuple[str, ...] | None = None,
        same: bool = False,
    ) -> Counterfactual:
        """Draw a valid candidate of each row.

        Args:
            changed: position -> (N, P) tokens in its place.
            sites: by default the positions that are changed.
            same: whether the answer must stay, instead of change.
        """
        columns = [changed.get(place, tokens[:, None]) for place, tokens in enumerate(self.tokens.T)]
        path = [np.broadcast_to(fact, valid.shape) for fact in self._followed(columns)]
        alike = [
            self.facts.domain[fact] == self.facts.domain[own][:, None]
            for fact, own in zip(path, self.path, strict=True)
        ]
        answers = self.facts.object[path[-1]]
        valid = valid & (path[-1] != NONE) & alike[-1] & self.allowed(columns)
        valid &= (answers == self.answers[:, None]) == same
        column = choose(valid, self.stream, sum(alike[:-1], np.zeros(valid.shape, np.int64)))
        return self._picked(kind, changed, column, answers, sites)

    def _identity(self) -> Counterfactual:
        """Draw another entity for each row `<e>`, which is its own answer."""
        entities = np.unique(self.facts.subject)
        other = entities[self.stream.integers(len(entities), len(self.tokens) * MOST)].reshape(-1, MOST)
        column = choose((other != self.tokens) & self.allowed([other]), self.stream)
        return self._picked("h", {0: other}, column, other)

    def _picked(
        self,
        kind: str,
        changed: dict[int, Indices],
        column: Indices,
        answers: Indices,
        sites: tuple[str, ...] | None = None,
    ) -> Counterfactual:
        rows = np.flatnonzero(column != NONE)
        tokens = self.tokens[rows].copy()
        for place, candidates in changed.items():
            tokens[:, place] = candidates[rows, column[rows]]
        positions = tuple("h" if place == 0 else f"r{place}" for place in changed)
        right = answers[rows, column[rows]]
        return Counterfactual(kind, positions, rows, tokens, right, right, positions if sites is None else sites)

    def _followed(self, columns: list[Indices]) -> list[Indices]:
        """Return the fact of each step of questions that are given token by token, -1 from where one is missing."""
        path: list[Indices] = []
        head = columns[0]
        for relation in columns[1:]:
            fact = self.facts.find(head, relation)
            head = np.where(fact != NONE, self.facts.object[fact], NONE)
            path.append(fact)
        return path
