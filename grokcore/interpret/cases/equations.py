"""Equations `<a> <op> <b> <=>`, modular or of permutations.

Counterfactuals: another operand `a` or `b`, with another result; and `same answer`, two other operands with the same
result, so that the answer must stay (specificity). The counterfactual of a training equation is a training equation,
that of any other is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from grokcore.data import Dataset, Rows
from grokcore.interpret.cases.base import ANSWER, Case, Counterfactual, Target, drawn
from grokcore.interpret.cases.drawing import Draw
from grokcore.interpret.cases.facts import Facts, Training
from grokcore.interpret.cases.pools import NONE
from grokcore.spec import ModularTask, PermutationsTask
from grokcore.tasks import modular, permutations
from grokcore.tasks.random import Indices, Stream

ROLES = ("a", "op", "b", "=")


def cases(task: ModularTask | PermutationsTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of both splits."""
    equations = _equations(task)
    training, found = Training(dataset.train_splits()), []
    for split, rows in dataset.probes().items():
        chosen = rows[drawn(len(rows), examples, seed, split)]
        stream = Stream(seed, "interpret", "counterfactuals", split)
        allowed = training.alike(split, len(ROLES))
        draw = Draw(ROLES, chosen.tokens.astype(np.int64), chosen.answers.astype(np.int64), allowed, stream)
        found.append(_case(equations, split, rows, draw))
    return found


def _equations(task: ModularTask | PermutationsTask) -> Facts:
    """Return all equations: a is the subject, b the relation, the result the object; a token is an element's number."""
    if isinstance(task, ModularTask):
        elements = task.modulus
        first, second = np.divmod(np.arange(elements**2), elements)
        known = (second > 0) | (task.operation != "/")
        first, second = first[known], second[known]
        result = modular.OPERATIONS[task.operation](first, second, task.modulus)
    else:
        operate = permutations.composition(task.degree)
        elements = round(task.equations**0.5)
        first, second = np.divmod(np.arange(task.equations), elements)
        result = operate(first, second)
    return Facts(first, second, result, np.zeros(len(first), np.int64))


def _case(equations: Facts, split: str, rows: Rows, draw: Draw) -> Case:
    a, b = draw.tokens[:, 0], draw.tokens[:, 2]
    target = Target(ANSWER, ROLES[-1], draw.answers, np.unique(equations.object))
    kinds = {one.kind: one for one in _counterfactuals(equations, a, b, draw) if len(one.rows)}
    return Case(split, ROLES, draw.tokens, draw.answers, (target,), kinds, {"a": a, "b": b}, len(rows))


def _counterfactuals(equations: Facts, a: Indices, b: Indices, draw: Draw) -> Iterator[Counterfactual]:
    own = draw.answers[:, None]
    other = equations.by_relation.of(b, draw.stream)
    answer = equations.object[other]
    yield draw.one("a", {"a": equations.subject[other]}, (other != NONE) & (answer != own), answer)
    other = equations.by_subject.of(a, draw.stream)
    answer = equations.object[other]
    yield draw.one("b", {"b": equations.relation[other]}, (other != NONE) & (answer != own), answer)
    other = equations.by_object.of(draw.answers, draw.stream)
    first, second = equations.subject[other], equations.relation[other]
    differs = (other != NONE) & (first != a[:, None]) & (second != b[:, None])
    yield replace(draw.one("same answer", {"a": first, "b": second}, differs, own), sites=("=",))
