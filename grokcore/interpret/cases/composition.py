"""Composition: `<h> <r1> <r2>`, whose answer is two steps from h, over the bridge, and rows of fewer or more steps.

Counterfactuals of a question, of two hops or more, all with another answer unless stated:

    h             another head, which has the same relations on its way
    r1, r2, ..    another relation at one step
    semantic      another head and first relation, whose tail b' has the further relations: replacing the stream at r1
                  is to bring b' along, and so the answer of the further steps from b'. No token after r1 differs, but
                  none could matter: the stream at r1 of a causal model depends on h and r1 alone
    same bridge   another head and first relation that lead to the same bridge: where the stream at r1 brings b' along,
                  the answer must stay (specificity)

The counterfactual of a training row is a training row, that of any other row is none, so that both are answered in the
same way, if at all. Its last step is of the same domain as the row's, in-domain or out-of-domain; so are the steps
before where there are such facts: out-of-domain facts are too few for every row to have one at every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from grokcore.data import Dataset, Rows
from grokcore.interpret.cases.base import ANSWER, Case, Counterfactual, Target, drawn
from grokcore.interpret.cases.drawing import Draw, Flags
from grokcore.interpret.cases.facts import Allowed, Facts, Training
from grokcore.interpret.cases.pools import MOST, NONE
from grokcore.spec import CompositionTask
from grokcore.tasks.random import Indices, Stream

_HEADS = 4
"""Facts that are looked at for each bridge of a semantic counterfactual."""


def cases(task: CompositionTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of all splits: chains, atomic facts and identity rows."""
    train = dataset.train_splits()
    facts, training = Facts.read_back(train), Training(train)
    return [
        _case(facts, split, rows, training.alike(split, int(rows.lengths[0])), examples, seed)
        for split, rows in dataset.probes().items()
    ]


def _case(facts: Facts, split: str, rows: Rows, allowed: Allowed, examples: int, seed: int) -> Case:
    hops = int(rows.lengths[0]) - 1
    chosen = rows[drawn(len(rows), examples, seed, split)]
    tokens, answers = chosen.tokens[:, : hops + 1].astype(np.int64), chosen.answers.astype(np.int64)
    roles = ("h", *(f"r{hop}" for hop in range(1, hops + 1)))
    draw = Draw(roles, tokens, answers, allowed, Stream(seed, "interpret", "counterfactuals", split))
    chains = _Chains(facts, draw)
    kinds = [one for one in chains.counterfactuals() if len(one.rows)]
    entities = np.union1d(facts.subject, facts.object)
    last = tokens[:, -1] if hops else None
    known = np.unique(facts.object) if hops else entities
    subject = facts.subject[chains.path[-1]] if hops else tokens[:, 0]
    targets = [Target(ANSWER, roles[-1], answers, known, last, subject)]
    for hop, fact in enumerate(chains.path[:-1], 1):
        name = "bridge" if hops == 2 else f"bridge {hop}"
        bridge = facts.object[fact]
        targets.append(Target(name, f"r{hop}", bridge, known, tokens[:, hop], facts.subject[fact]))
    groups = {"h": tokens[:, 0]}
    return Case(split, roles, tokens, answers, tuple(targets), {one.kind: one for one in kinds}, groups, len(rows))


@dataclass(frozen=True)
class _Chains:
    """The questions of one split as paths of facts."""

    facts: Facts
    draw: Draw

    @cached_property
    def path(self) -> list[Indices]:
        """The fact of each step, `hops` arrays (N,)."""
        return self._followed(list(self.draw.tokens.T))

    def counterfactuals(self) -> Iterator[Counterfactual]:
        facts, stream, hops = self.facts, self.draw.stream, len(self.draw.roles) - 1
        head, *relations = self.draw.tokens.T
        if not hops:
            yield self._identity(head)
            return
        first = facts.by_relation.of(relations[0], stream)
        yield self._drawn("h", {"h": facts.subject[first]}, first != NONE)
        for hop in range(1, hops + 1):
            onward = facts.by_subject.of(head if hop == 1 else facts.object[self.path[hop - 2]], stream)
            yield self._drawn(f"r{hop}", {f"r{hop}": facts.relation[onward]}, onward != NONE)
        if hops > 1:
            second = np.repeat(facts.by_relation.of(relations[1], stream), _HEADS, axis=1)
            first = facts.by_object.one(np.where(second != NONE, facts.subject[second], NONE), stream)
            yield replace(self._drawn("semantic", *self._led_by(first)), sites=("r1",))
            first = facts.by_object.of(facts.object[self.path[0]], stream)
            same = self._drawn("same bridge", *self._led_by(first), same=True)
            yield replace(same, sites=("r1",), specific_to="semantic")

    def _led_by(self, first: Indices) -> tuple[dict[str, Indices], Flags]:
        """Return the tokens of questions with these first facts (N, P), and which differ in head and relation."""
        head, relation = self.facts.subject[first], self.facts.relation[first]
        other = (head != self.draw.tokens[:, :1]) & (relation != self.draw.tokens[:, 1:2])
        return {"h": head, "r1": relation}, (first != NONE) & other

    def _drawn(self, kind: str, changed: dict[str, Indices], valid: Flags, *, same: bool = False) -> Counterfactual:
        """Draw a candidate of each row whose answer differs from the row's; with `same`, is the same."""
        path = [np.broadcast_to(fact, valid.shape) for fact in self._followed(self.draw.columns(changed))]
        domain = self.facts.domain
        alike = [domain[fact] == domain[own][:, None] for fact, own in zip(path, self.path, strict=True)]
        answer = self.facts.object[path[-1]]
        valid = valid & (path[-1] != NONE) & alike[-1] & ((answer == self.draw.answers[:, None]) == same)
        steps_alike = sum(alike[:-1], np.zeros(valid.shape, np.int64))
        return self.draw.one(kind, changed, valid, answer, preference=steps_alike)

    def _identity(self, head: Indices) -> Counterfactual:
        """Draw another entity for each row `<e>`, which is its own answer."""
        entities = np.unique(self.facts.subject)
        drawn = self.draw.stream.integers(len(entities), len(head) * MOST).reshape(-1, MOST)
        other = entities[drawn]
        return self.draw.one("h", {"h": other}, other != head[:, None], other)

    def _followed(self, columns: list[Indices]) -> list[Indices]:
        """Return the fact of each step of questions that are given token by token, -1 from where one is missing."""
        path: list[Indices] = []
        head = columns[0]
        for relation in columns[1:]:
            fact = self.facts.find(head, relation)
            head = np.where(fact != NONE, self.facts.object[fact], NONE)
            path.append(fact)
        return path
