"""In-context questions: `<e1> <v1> .. <ek> <vk> <q> <x> <y>`, or without y where a value is to be recalled.

Counterfactuals, all with another answer unless stated:

    v1, v2, ..     another value of a fact that is asked for
    other v1, ..   another value of a fact that is not: the answer must stay (specificity)
    e1, e2, ..     this fact's entity exchanged with that of the next, the last one's with the first's
    x, y           another entity of the prompt is asked for, of those that training asks for or of those that it does
                   not, as before

Prompts are drawn anew for every row, so that counterfactuals of training rows are no training rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokcore.data import Dataset, Rows
from grokcore.interpret.cases.base import ANSWER, Case, Counterfactual, Target, drawn
from grokcore.interpret.cases.drawing import Draw
from grokcore.spec import InContextTask
from grokcore.tasks.in_context import LABELS
from grokcore.tasks.random import Indices, Stream


def cases(task: InContextTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of all splits."""
    train = dataset.train_splits()["train"]
    asked = np.zeros(len(dataset.vocabulary), bool)  # which entities training asks for
    asked[train.tokens[:, 2 * task.context + 1 :][:, : task.asked]] = True
    labels = np.array([dataset.vocabulary.index(label) for label in LABELS]) if task.asked == 2 else None
    found = []
    for split, rows in dataset.probes().items():
        length = int(rows.lengths[0])
        chosen = rows[drawn(len(rows), examples, seed, split)]
        facts = range(1, (length - 1 - task.asked) // 2 + 1)
        roles = (*(f"{part}{fact}" for fact in facts for part in "ev"), "q", *("x", "y")[: task.asked])
        tokens, answers = chosen.tokens[:, :length].astype(np.int64), chosen.answers.astype(np.int64)
        stream = Stream(seed, "interpret", "counterfactuals", split)
        draw = Draw(roles, tokens, answers, lambda columns: np.ones((), bool), stream)
        values = np.arange(task.values) + task.entities
        found.append(_Prompts(draw, len(facts), task.asked, values, labels, asked).case(split, rows))
    return found


@dataclass(frozen=True)
class _Prompts:
    """N prompts of one length.

    Attributes:
        context: facts of each.
        asked: entities that each asks for.
        values: all values, ascending.
        labels: tokens for smaller, equal and greater; None where a value is recalled.
        trained: (V,) whether training asks for an entity.
    """

    draw: Draw
    context: int
    asked: int
    values: Indices
    labels: Indices | None
    trained: npt.NDArray[np.bool_]

    def case(self, split: str, rows: Rows) -> Case:
        draw = self.draw
        answers = self.values if self.labels is None else self.labels
        targets = [Target(ANSWER, draw.roles[-1], draw.answers, answers)]
        roles = draw.roles[-self.asked :]
        groups = {role: draw.tokens[:, draw.roles.index(role)] for role in roles}
        columns = draw.columns({})
        if self.labels is not None:
            targets += [
                Target(f"value of {role}", role, self._value(columns, number)[:, 0], self.values, None, groups[role])
                for number, role in enumerate(roles)
            ]
        kinds = {one.kind: one for one in self._counterfactuals(columns) if len(one.rows)}
        return Case(split, draw.roles, draw.tokens, draw.answers, tuple(targets), kinds, groups, len(rows))

    def _counterfactuals(self, columns: list[Indices]) -> Iterator[Counterfactual]:
        draw = self.draw
        asked = columns[-self.asked :]
        for fact in range(self.context):
            entity, value = columns[2 * fact], columns[2 * fact + 1]
            is_asked = np.any([entity == one for one in asked], axis=0)
            role, other = f"v{fact + 1}", np.broadcast_to(self.values, (len(value), len(self.values)))
            yield self._drawn(role, {role: other}, is_asked)
            yield self._drawn(f"other {role}", {role: other}, ~is_asked & (other != value), same=True)
        for fact in range(self.context):
            following = (fact + 1) % self.context
            exchanged = {f"e{fact + 1}": columns[2 * following], f"e{following + 1}": columns[2 * fact]}
            yield self._drawn(f"e{fact + 1}", exchanged, np.ones((len(draw.tokens), 1), bool))
        entities = draw.tokens[:, 0 : 2 * self.context : 2]
        for role, own in zip(draw.roles[-self.asked :], asked, strict=True):
            new = np.all([entities != one for one in asked], axis=0)
            yield self._drawn(role, {role: entities}, new & (self.trained[entities] == self.trained[own]))

    def _drawn(
        self, kind: str, changed: dict[str, Indices], valid: npt.NDArray[np.bool_], *, same: bool = False
    ) -> Counterfactual:
        """Draw a candidate of each row whose answer differs from the row's; with `same`, is the same."""
        answer = self._answer(self.draw.columns(changed))
        valid = valid & ((answer == self.draw.answers[:, None]) == same)
        return self.draw.one(kind, changed, valid, answer)

    def _answer(self, columns: list[Indices]) -> Indices:
        """Return the answers (N, P) to prompts that are given token by token."""
        first = self._value(columns, 0)
        if self.labels is None:
            return first
        answer: Indices = self.labels[np.sign(first - self._value(columns, 1)) + 1]
        return answer

    def _value(self, columns: list[Indices], number: int) -> Indices:
        """Return the values (N, P) of the first or second entity that is asked for."""
        entity = columns[len(columns) - self.asked + number]
        value: Indices = np.zeros((), np.int64)
        for fact in range(self.context):
            value = np.where(columns[2 * fact] == entity, columns[2 * fact + 1], value)
        return value
