"""Modular arithmetic: the field's standard small task (Power et al., arXiv 2201.02177).

All equations a op b = c (mod p), with b != 0 for division; a random share `train_ratio` of them is the training set,
the others are held out. With p = 97 and op = +:

    question             answer
    <41> <+> <60> <=>    <4>  </a>
    <96> <+> <96> <=>    <95> </a>

The vocabulary is <0> .. <p-1>, the operation, <=>, </a>. The first operand and the operation are one of p prefixes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grokcore.spec import ModularTask
from grokcore.tasks.base import EOS, Role, Rows, Split, TaskData, TaskDefinition, majority_baseline
from grokcore.tasks.random import Indices, Stream


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
    p = task.modulus
    vocabulary = (*(f"<{number}>" for number in range(p)), f"<{task.operation}>", "<=>", EOS)
    operation, equals, eos = p, p + 1, p + 2
    first_b = 1 if task.operation == "/" else 0

    def operands(equations: Indices) -> tuple[Indices, Indices]:
        a, b = np.divmod(equations, p - first_b)
        return a, b + first_b

    def results(equations: Indices) -> Indices:
        return OPERATIONS[task.operation](*operands(equations), p)

    def rows(equations: Indices) -> Rows:
        a, b = operands(equations)
        return Rows.of_columns([a, operation, b, equals], results(equations))

    def probes(name: str, equations: Indices) -> Rows:
        return rows(equations[Stream(task.seed, "modular", "probes", name).sample(len(equations), task.probe_size)])

    def split(role: Role, equations: Indices) -> Split:
        counts = np.bincount(results(equations), minlength=p)
        return Split(role, len(equations), majority_baseline(counts[np.newaxis]), 1 / p)

    in_training = np.zeros(task.equations, bool)
    wanted = round(task.train_ratio * task.equations)
    in_training[Stream(task.seed, "modular", "split").sample(task.equations, wanted)] = True
    train, test = np.flatnonzero(in_training), np.flatnonzero(~in_training)
    return TaskData(
        vocabulary,
        eos,
        prefixes=tuple((a, operation) for a in range(p)),
        train={"train": rows(train)},
        probes={"train": probes("train", train), "test": probes("test", test)},
        splits={"train": split("train", train), "test": split("held_out", test)},
    )


TASK = TaskDefinition[ModularTask](
    build,
    row="`<41> <+> <60> <=>` → `<4>`",
    held_out="the equations that are not in the training set",
)
