"""Draw counterfactuals: among the candidates of every row, as a matrix, a valid one at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokcore.interpret.cases.base import Counterfactual
from grokcore.interpret.cases.facts import Allowed
from grokcore.interpret.cases.pools import NONE
from grokcore.tasks.random import Indices, Stream

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Draw:
    """Draw counterfactuals of the N questions of a case.

    Attributes:
        roles: T.
        tokens: (N, T).
        answers: (N,).
        allowed: which questions may be counterfactuals.
        stream: of random numbers.
    """

    roles: tuple[str, ...]
    tokens: Indices
    answers: Indices
    allowed: Allowed
    stream: Stream

    def one(
        self,
        kind: str,
        changed: Mapping[str, Indices],
        valid: Flags,
        answer: Indices,
        *,
        preference: npt.NDArray[np.integer] | None = None,
    ) -> Counterfactual:
        """Draw a valid candidate of each row that has one.

        Args:
            changed: role -> (N, P) tokens in its place.
            valid: (N, P).
            answer: (N, P) or (N, 1), right for each candidate.
            preference: as in `choose`.
        """
        column = choose(valid & self.allowed(self.columns(changed)), self.stream, preference)
        return self._picked(kind, changed, column, np.broadcast_to(answer, valid.shape))

    def relabeled(
        self, kind: str, changed: Mapping[str, Indices], valid: Flags, label: Indices, own: Indices, tokens: Indices
    ) -> Counterfactual:
        """Draw candidates that change the label of each row, to all others equally often.

        Args:
            label: (N, P), of each candidate.
            own: (N,), of each row.
            tokens: (N, K), the answers that stand for the K labels.
        """
        valid = valid & self.allowed(self.columns(changed)) & (label != own[:, None])
        feasible = np.stack([(valid & (label == one)).any(axis=1) for one in range(tokens.shape[1])], axis=1)
        wanted = balanced(feasible, own, self.stream)
        column = choose(valid & (label == wanted[:, None]), self.stream)
        return self._picked(kind, changed, column, np.take_along_axis(tokens, label, axis=1))

    def columns(self, changed: Mapping[str, Indices]) -> list[Indices]:
        """Return the candidates token by token, T arrays (N, P) or (N, 1)."""
        return [changed.get(role, tokens[:, None]) for role, tokens in zip(self.roles, self.tokens.T, strict=True)]

    def _picked(self, kind: str, changed: Mapping[str, Indices], column: Indices, answer: Indices) -> Counterfactual:
        rows = np.flatnonzero(column != NONE)
        tokens = self.tokens[rows].copy()
        for role, candidates in changed.items():
            tokens[:, self.roles.index(role)] = candidates[rows, column[rows]]
        return Counterfactual(kind, tuple(changed), rows, tokens, answer[rows, column[rows]])


def choose(valid: Flags, stream: Stream, preference: npt.NDArray[np.integer] | None = None) -> Indices:
    """Return for each row of (N, P) one of its valid columns at random, (N,), -1 where it has none.

    Args:
        preference: (N, P), not negative: only the valid columns of a row with its highest preference are drawn from.
    """
    if not valid.shape[1]:
        return np.full(len(valid), NONE)
    rank = np.where(valid, 1 + (0 if preference is None else preference), 0)
    best = rank.max(axis=1, keepdims=True)
    keys = stream.words(valid.size).reshape(valid.shape) >> np.uint64(1)
    column = np.where(valid & (rank == best), keys.astype(np.int64), NONE).argmax(axis=1)
    return np.where(best[:, 0] > 0, column, NONE)


def balanced(feasible: Flags, own: Indices, stream: Stream) -> Indices:
    """Choose a new label for each row, so that the rows of each label change to all others equally often.

    Where the facts allow only some labels, rows with the fewest choices are served first.

    Args:
        feasible: (N, K), the labels that each row can change to.
        own: (N,) the label of each row.

    Returns:
        (N,) labels, -1 for rows that cannot change.
    """
    choices = feasible.sum(axis=1)
    used = np.zeros((feasible.shape[1], feasible.shape[1]), np.int64)
    chosen = np.full(len(feasible), NONE)
    for row in np.lexsort((stream.words(len(feasible)), choices)):
        if choices[row]:
            counts = np.where(feasible[row], used[own[row]], len(feasible) + 1)
            chosen[row] = counts.argmin()
            used[own[row], chosen[row]] += 1
    return chosen
