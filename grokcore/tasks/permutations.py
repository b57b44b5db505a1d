"""Composition of permutations, the group operation of S_n (Power et al., arXiv 2201.02177).

All equations a o b = c with (a o b)(i) = a(b(i)); a random share `train_ratio` of them is the training set, the others
are held out. A permutation a of 1 .. n is one token in one-line notation, a(1) a(2) .. a(n). With n = 5:

    question                     answer
    <23145> <o> <21345> <=>      <32145> </a>
    <21345> <o> <23145> <=>      <13245> </a>

Unlike addition and multiplication modulo p, the operation does not commute.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from grokcore.spec import PermutationsTask
from grokcore.tasks.base import TaskData, TaskDefinition
from grokcore.tasks.equations import split_equations
from grokcore.tasks.random import Indices


def build(task: PermutationsTask) -> TaskData:
    """The equations of `task`, split at random; with the same seed a larger `train_ratio` only adds equations."""
    n = task.degree
    images = np.array(list(permutations(range(n))))  # (n!, n), in lexicographic order
    digits = n ** np.arange(n)
    index = np.zeros(n**n, np.int64)  # of the permutation whose images are the digits of a number
    index[images @ digits] = np.arange(len(images))

    def compose(a: Indices, b: Indices) -> Indices:
        composed: Indices = index[images[a[:, np.newaxis], images[b]] @ digits]
        return composed

    names = ["".join(str(image + 1) for image in permutation) for permutation in images]
    return split_equations(task, names, "o", compose, np.arange(len(images)))


TASK = TaskDefinition[PermutationsTask](
    build,
    row="`<23145> <o> <21345> <=>` → `<32145>`",
    held_out="the equations that are not in the training set",
)
