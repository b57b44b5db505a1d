"""Modular arithmetic: the field's standard small task (Power et al., arXiv 2201.02177).

All equations a op b = c (mod p), with b != 0 for division; a random share `train_ratio` of them is the training set,
the others are held out. With p = 97 and op = +:

    question             answer
    <41> <+> <60> <=>    <4>  </a>
    <96> <+> <96> <=>    <95> </a>
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grokcore.spec import ModularTask
from grokcore.tasks.base import TaskData, TaskDefinition
from grokcore.tasks.equations import split_equations
from grokcore.tasks.facts import numbered
from grokcore.tasks.random import Indices


def _divide(a: Indices, b: Indices, p: int) -> Indices:
    inverse = np.array([0, *(pow(divisor, -1, p) for divisor in range(1, p))])
    quotient: Indices = a * inverse[b] % p
    return quotient


OPERATIONS: dict[str, Callable[[Indices, Indices, int], Indices]] = {
    "+": lambda a, b, p: (a + b) % p,
    "-": lambda a, b, p: (a - b) % p,
    "*": lambda a, b, p: a * b % p,
    "/": _divide,
}


def build(task: ModularTask) -> TaskData:
    """The equations of `task`, split at random; with the same seed a larger `train_ratio` only adds equations."""
    p, operate = task.modulus, OPERATIONS[task.operation]
    second = np.arange(1 if task.operation == "/" else 0, p)
    return split_equations(task, numbered(p), task.operation, lambda a, b: operate(a, b, p), second)


TASK = TaskDefinition[ModularTask](
    build,
    row="`<41> <+> <60> <=>` → `<4>`",
    held_out="the equations that are not in the training set",
)
