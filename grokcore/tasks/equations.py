"""Equations a op b = c over the elements of a finite set, split at random into a training set and what is held out.

Rows read `<a> <op> <b> <=>`, answered by `<c>`. The vocabulary is the elements, the operation, <=>, </a>. The first
operand and the operation are one prefix for each element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from grokcore.spec import ModularTask, PermutationsTask
from grokcore.tasks.base import EOS, Role, Rows, Split, TaskData, majority_baseline
from grokcore.tasks.random import Indices, Stream


def split_equations(
    task: ModularTask | PermutationsTask,
    elements: Sequence[str],
    symbol: str,
    operate: Callable[[Indices, Indices], Indices],
    second: Indices,
) -> TaskData:
    """Draw `train_ratio` of all equations; with the same seed a larger `train_ratio` only adds equations.

    Args:
        elements: names of the N elements; an operand is an index of them.
        symbol: name of the operation.
        operate: (E,) first operands, (E,) second operands -> (E,) results.
        second: the elements that may stand second; any may stand first.
    """
    vocabulary = (*(f"<{element}>" for element in elements), f"<{symbol}>", "<=>", EOS)
    operation, equals, eos = range(len(elements), len(elements) + 3)

    def operands(equations: Indices) -> tuple[Indices, Indices]:
        a, b = np.divmod(equations, len(second))
        return a, second[b]

    def rows(equations: Indices) -> Rows:
        a, b = operands(equations)
        return Rows.of_columns([a, operation, b, equals], operate(a, b))

    def probes(name: str, equations: Indices) -> Rows:
        return rows(equations[Stream(task.seed, task.kind, "probes", name).sample(len(equations), task.probe_size)])

    def split(role: Role, equations: Indices) -> Split:
        counts = np.bincount(operate(*operands(equations)), minlength=len(elements))
        return Split(role, len(equations), majority_baseline(counts[np.newaxis]), 1 / len(elements))

    in_training = np.zeros(task.equations, bool)
    wanted = round(task.train_ratio * task.equations)
    in_training[Stream(task.seed, task.kind, "split").sample(task.equations, wanted)] = True
    train, test = np.flatnonzero(in_training), np.flatnonzero(~in_training)
    return TaskData(
        vocabulary,
        eos,
        prefixes=tuple((a, operation) for a in range(len(elements))),
        train={"train": rows(train)},
        probes={"train": probes("train", train), "test": probes("test", test)},
        splits={"train": split("train", train), "test": split("held_out", test)},
    )
