"""Questions about the values of entities, as comparison and complex_reasoning ask them.

Counterfactuals of a question change one entity or the attribute:

    e1, e2                           another entity, so that the label changes; each other label equally often
    attr                             another attribute, by which the entities compare otherwise
    attr token                       another attribute, by which they compare alike: the label's token changes alone
    same value e1, same value e2     another entity of the same value: the answer must stay (specificity)

An entity is replaced by one of the same domain for the attribute (in-domain or out-of-domain). The counterfactual of a
training row is a training row, that of any other row is none, so that both are answered in the same way, if at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from grokcore.data import Rows
from grokcore.interpret.cases.base import ANSWER, Case, Counterfactual, Target, drawn
from grokcore.interpret.cases.drawing import Draw
from grokcore.interpret.cases.facts import Allowed, Facts
from grokcore.interpret.cases.pools import NONE
from grokcore.tasks.attribute_facts import LABELS
from grokcore.tasks.random import Indices, Stream


@dataclass(frozen=True)
class AttributeQuestions:
    """What the questions of a dataset are made of.

    Attributes:
        facts: entity, attribute and value; values ascend with their tokens.
        labels: (V, 3), the tokens for smaller, equal and greater of each attribute; -1 for tokens that are none.
        comparison: the roles of a comparison, attr, e1 and e2 among them.
        atomic: the roles of a question for a value, e and attr among them.
    """

    facts: Facts
    labels: Indices
    comparison: tuple[str, ...]
    atomic: tuple[str, ...]

    def case(self, split: str, rows: Rows, allowed: Allowed, examples: int, seed: int) -> Case:
        """Return the case of a split whose questions have one length."""
        length = int(rows.lengths[0])
        chosen = rows[drawn(len(rows), examples, seed, split)]
        tokens, answers = chosen.tokens[:, :length].astype(np.int64), chosen.answers.astype(np.int64)
        compares = length == len(self.comparison)
        roles = self.comparison if compares else self.atomic
        column = dict(zip(roles, tokens.T, strict=True))
        draw = Draw(roles, tokens, answers, allowed, Stream(seed, "interpret", "counterfactuals", split))
        kinds = self._comparisons(column, draw) if compares else self._values(column, draw)
        entities = ("e1", "e2") if compares else ("e",)
        return Case(
            split,
            roles,
            tokens,
            answers,
            self._targets(column, answers, roles, compares),
            {one.kind: one for one in kinds if len(one.rows)},
            {role: column[role] for role in entities},
            len(rows),
            (("e1", "mask"),) if compares else (),
        )

    def _targets(
        self, column: dict[str, Indices], answers: Indices, roles: tuple[str, ...], compares: bool
    ) -> tuple[Target, ...]:
        attr, values = column["attr"], np.unique(self.facts.object)
        candidates = self.labels[self.labels >= 0] if compares else values
        answer = Target(ANSWER, roles[-1], answers, np.unique(candidates), attr)
        if not compares:
            return (answer,)
        known = [self.facts.find(column[role], attr) for role in ("e1", "e2")]
        return answer, *(
            Target(f"value of {role}", role, self.facts.object[fact], values, attr, column[role])
            for role, fact in zip(("e1", "e2"), known, strict=True)
        )

    def _comparisons(self, column: dict[str, Indices], draw: Draw) -> Iterator[Counterfactual]:
        attr = column["attr"]
        fact = {role: self.facts.find(column[role], attr) for role in ("e1", "e2")}
        own = self._compared(fact["e1"], fact["e2"])
        for role, other in (("e1", "e2"), ("e2", "e1")):
            candidate = self.facts.by_relation.of(attr, draw.stream)  # (N, P)
            entity = self.facts.subject[candidate]
            valid = (candidate != NONE) & (entity != column[role][:, None]) & (entity != column[other][:, None])
            valid &= self.facts.domain[candidate] == self.facts.domain[fact[role]][:, None]
            pair = (candidate, fact[other][:, None]) if role == "e1" else (fact[other][:, None], candidate)
            label = self._compared(*pair)
            yield draw.relabeled(role, {role: entity}, valid, label, own, self.labels[attr])
            same = self.facts.object[candidate] == self.facts.object[fact[role]][:, None]
            yield draw.one(f"same value {role}", {role: entity}, valid & same, draw.answers[:, None])
        candidate = self.facts.by_subject.of(column["e1"], draw.stream)
        relation = self.facts.relation[candidate]
        second = self.facts.find(column["e2"][:, None], relation)
        valid = (candidate != NONE) & (second != NONE) & (relation != attr[:, None])
        valid &= self.facts.domain[candidate] == self.facts.domain[fact["e1"]][:, None]
        valid &= self.facts.domain[second] == self.facts.domain[fact["e2"]][:, None]
        label = self._compared(candidate, second)
        answer = self.labels[relation, label]
        for kind, wanted in (("attr", label != own[:, None]), ("attr token", label == own[:, None])):
            yield draw.one(kind, {"attr": relation}, valid & wanted, answer)

    def _values(self, column: dict[str, Indices], draw: Draw) -> Iterator[Counterfactual]:
        entity, attr = column["e"], column["attr"]
        fact = self.facts.find(entity, attr)
        value, domain = self.facts.object[fact][:, None], self.facts.domain[fact][:, None]
        candidate = self.facts.by_relation.of(attr, draw.stream)
        valid = (candidate != NONE) & (self.facts.domain[candidate] == domain)
        valid &= self.facts.subject[candidate] != entity[:, None]
        other, answer = {"e": self.facts.subject[candidate]}, self.facts.object[candidate]
        yield draw.one("e", other, valid & (answer != value), answer)
        yield draw.one("same value e", other, valid & (answer == value), answer)
        candidate = self.facts.by_subject.of(entity, draw.stream)
        answer = self.facts.object[candidate]
        valid = (candidate != NONE) & (self.facts.domain[candidate] == domain) & (answer != value)
        yield draw.one("attr", {"attr": self.facts.relation[candidate]}, valid, answer)

    def _compared(self, first: Indices, second: Indices) -> Indices:
        """Return 0 where the value of the first fact is smaller, 1 where they are equal, 2 where it is greater."""
        label: Indices = np.sign(self.facts.object[first] - self.facts.object[second]) + 1
        return label


def labels_by_name(vocabulary: Sequence[str]) -> Indices:
    """Return (V, 3), the labels of each attribute: `<x_0>`, `<x_1>` and `<x_2>` of `<x>`; -1 for other tokens."""
    number = {token: place for place, token in enumerate(vocabulary)}
    labels = np.full((len(vocabulary), LABELS), NONE)
    for token, place in number.items():
        names = [f"{token[:-1]}_{label}>" for label in range(LABELS)]
        if token.startswith("<attr_") and names[0] in number:
            labels[place] = [number[name] for name in names]
    return labels
