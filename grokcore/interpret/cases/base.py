"""Questions of a split as analyses see them: what stands where, what is to be known there, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from grokcore.data import Dataset
from grokcore.tasks.random import Indices, Stream

ANSWER = "answer"
"""The target of every case: what is asked for, at the last position."""


@dataclass(frozen=True)
class Target:
    """A token that the model may know at some position, though it is not in the question.

    Attributes:
        name: such as `answer`, `value of e1` or `bridge`; the same for every split of a task.
        position: the role of the position where a circuit that looks it up has it first.
        ids: (N,) int64, the token of each row.
        candidates: (K,) int64, ascending: the tokens among which it is told apart, `ids` among them.
        strata: (N,) int64, what the form of the question tells of it, such as its attribute: controls exchange targets
            within a stratum only. None where the form tells nothing.
        entity: (N,) int64, the subject of the fact that the target is the object of, such as e1 for the value of e1, or
            the bridge for the answer of a composition. None where it follows from several: those of `Case.groups`.
    """

    name: str
    position: str
    ids: Indices
    candidates: Indices
    strata: Indices | None = None
    entity: Indices | None = None


@dataclass(frozen=True)
class Counterfactual:
    """Other questions of the same form, from which a stream is taken over, and the answer that it would bring along.

    Attributes:
        kind: what differs, such as `e1`, `attr`, `same value e1` or `semantic`; the same for every split of a task.
        positions: the roles of the positions whose tokens differ.
        rows: (M,) int64, the rows of the case that have a counterfactual, ascending.
        tokens: (M, T) int64.
        answers: (M,) int64, what is right for `tokens`, and what the row is to answer once the information that `kind`
            names has been replaced. For specificity all are the rows' own answers.
        sites: the roles at which the information is expected, where the headline is measured; empty for anywhere.
        specific_to: of a counterfactual for specificity, the kind at whose site it is measured; empty for the site at
            which it changes the most answers.
    """

    kind: str
    positions: tuple[str, ...]
    rows: Indices
    tokens: Indices
    answers: Indices
    sites: tuple[str, ...] = ()
    specific_to: str = ""


@dataclass(frozen=True)
class Case:
    """N questions of one split and one length T.

    Attributes:
        split: which they are from.
        roles: T names, one for each position, such as attr, q, e1, mask, e2; the last one predicts the answer.
        tokens: (N, T) int64.
        answers: (N,) int64.
        targets: `answer` first.
        counterfactuals: by kind.
        groups: role -> (N,) int64: the entity there. Probes are fitted on some entities and read on others.
        total: rows of the split that these were drawn from.
        joint: sets of roles whose streams causal tracing replaces together, beside each role by itself.
    """

    split: str
    roles: tuple[str, ...]
    tokens: Indices
    answers: Indices
    targets: tuple[Target, ...]
    counterfactuals: Mapping[str, Counterfactual] = field(default_factory=dict)
    groups: Mapping[str, Indices] = field(default_factory=dict)
    total: int = 0
    joint: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.answers)

    def position(self, role: str) -> int:
        """Return the place of a role in the question."""
        return self.roles.index(role)


CaseBuilder = Callable[[Any, Dataset, int, int], list[Case]]
"""(task spec, dataset, examples of each split, seed) -> the cases of every split, in the order of the dataset's."""


def drawn(count: int, examples: int, seed: int, *labels: str) -> npt.NDArray[np.int64]:
    """Return which of `count` rows are analyzed: at most `examples`, drawn without replacement, ascending."""
    if count <= examples:
        return np.arange(count)
    return np.sort(Stream(seed, "interpret", *labels).sample(count, examples))
