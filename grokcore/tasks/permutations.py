"""Composition of permutations, the group operation of S_n (Power et al., arXiv 2201.02177).

All equations a o b = c with (a o b)(i) = a(b(i)); a random share `train_ratio` of them is the training set, the others
are held out. A permutation a of 1 .. n is one token in one-line notation, a(1) a(2) .. a(n). With n = 5:

    question                     answer
    <23145> <o> <21345> <=>      <32145> </a>
    <21345> <o> <23145> <=>      <13245> </a>

Unlike addition and multiplication modulo p, the operation does not commute.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np

from grokcore.spec import PermutationsTask
from grokcore.tasks.base import TaskData, TaskDefinition
from grokcore.tasks.equations import split_equations
from grokcore.tasks.random import Indices


def build(task: PermutationsTask) -> TaskData:
    """The equations of `task`, split at random; with the same seed a larger `train_ratio` only adds equations."""
    images = _images(task.degree)
    names = ["".join(str(image + 1) for image in permutation) for permutation in images]
    return split_equations(task, names, "o", composition(task.degree), np.arange(len(images)))


def composition(degree: int) -> Callable[[Indices, Indices], Indices]:
    """Return the operation of S_n: (E,) first, (E,) second permutations -> (E,), as indices in lexicographic order."""
    images, digits = _images(degree), degree ** np.arange(degree)
    index = np.zeros(degree**degree, np.int64)  # of the permutation whose images are the digits of a number
    index[images @ digits] = np.arange(len(images))

    def compose(a: Indices, b: Indices) -> Indices:
        composed: Indices = index[images[a[:, np.newaxis], images[b]] @ digits]
        return composed

    return compose


def _images(degree: int) -> Indices:
    """Return all permutations in lexicographic order, (n!, n)."""
    return np.array(list(permutations(range(degree))))


TASK = TaskDefinition[PermutationsTask](
    build,
    row="`<23145> <o> <21345> <=>` → `<32145>`",
    held_out="the equations that are not in the training set",
)
