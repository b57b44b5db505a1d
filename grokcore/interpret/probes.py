"""Linear probes in closed form: ridge regression on one-hot targets, read on entities that it was not fitted on.

With X (n, D) the centered streams that a probe is fitted on and Y (n, K) the centered one-hot targets,

    W = (X^T X + penalty I)^-1 X^T Y,

and the class of a stream x is the largest entry of mean(Y) + (x - mean(X)) W. The penalty is chosen for every site by
generalized cross-validation on the rows that it is fitted on (Golub, Heath and Wahba 1979), n |Y - X W|^2 / (n - df)^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from grokcore.interpret.intervals import Values
from grokcore.tasks.random import Indices, Stream

PENALTIES = 10.0 ** torch.arange(-4, 2, dtype=torch.float64)
"""Relative to the mean eigenvalue of X^T X."""
LEAST = 10
"""Rows that a probe is fitted on, at least."""


@dataclass(frozen=True)
class Labeled:
    """Streams of N questions, and what they may tell.

    Attributes:
        hidden: (S, N, D), fp64, at S sites.
        labels: (2, N) int64, the target and, as a control, that of another row.
        entities: (N, G) int64, the entities that the target is looked up for.
        donors: (N, G) int64, those of the row that the control's target was taken from.
    """

    hidden: Tensor
    labels: Indices
    entities: Indices
    donors: Indices


def probed(own: Labeled, reference: Labeled, seed: int, *names: str) -> tuple[Values, Indices]:
    """Read targets and controls on one half of the entities, with probes that were fitted on the other half.

    They are fitted on the rows of `reference` as well, since there are few entities out of domain.

    Args:
        reference: may be `own`.
        names: with the seed, decide the halves.

    Returns:
        Whether the class is right, (2, S, n), and which n rows: those whose entities are all in one half, and whose
        target occurs in the other.
    """
    half, other_half = halves_of_entities(own.entities, reference.entities, seed, *names)
    hidden, labels = own.hidden, own.labels
    if reference is not own:
        hidden = torch.cat([hidden, reference.hidden], dim=1)
        labels, half = np.concatenate([labels, reference.labels], axis=1), np.concatenate([half, other_half])
    classes, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(2, -1)
    right, read = np.zeros((2, len(hidden), own.hidden.shape[1])), np.zeros(own.hidden.shape[1], bool)
    for side in (0, 1):
        fit = np.flatnonzero(half == 1 - side)
        rows = np.flatnonzero(half[: len(read)] == side)
        rows = rows[np.isin(labels[0, rows], labels[0, fit])]
        if len(fit) >= LEAST:
            found = ridge(hidden[:, fit], torch.from_numpy(labels[:, fit]), hidden[:, rows], len(classes))
            right[..., rows] = (found.numpy() == labels[:, rows]).swapaxes(0, 1)
            read[rows] = True
    return right[..., read], np.flatnonzero(read)


def ridge(fit: Tensor, labels: Tensor, read: Tensor, classes: int) -> Tensor:
    """Return the classes (S, J, M) of streams that J probes at each of S sites read.

    Args:
        fit: (S, N, D), fp64.
        labels: (J, N) int64 below `classes`: what each probe is fitted to.
        read: (S, M, D), fp64.
        classes: K.
    """
    rows = fit.shape[1]
    mean = fit.mean(1, keepdim=True)
    fit, read = fit - mean, read - mean
    if rows < fit.shape[2]:  # the probe lies in the span of the rows
        span = torch.linalg.qr(fit.mT).Q
        fit, read = fit @ span, read @ span
    variance, axes = torch.linalg.eigh(fit.mT @ fit)  # (S, C), (S, C, C)
    variance = variance.clamp_min(0)
    one_hot = functional.one_hot(labels, classes).double()  # (J, N, K)
    base = one_hot.mean(1, keepdim=True)
    moments = axes.mT[:, None] @ (fit.mT[:, None] @ (one_hot - base))  # (S, J, C, K)
    penalty = _chosen_penalty(variance, moments.square().sum(-1), (one_hot - base).square().sum((1, 2)), rows)
    weights = axes[:, None] @ (moments / (variance[:, None] + penalty[..., None])[..., None])  # (S, J, C, K)
    found = torch.empty(*weights.shape[:2], read.shape[1], dtype=torch.int64)
    for site, probe in np.ndindex(found.shape[:2]):  # with many classes, the scores of all would take much memory
        found[site, probe] = (read[site] @ weights[site, probe] + base[probe]).argmax(-1)
    return found


def _chosen_penalty(variance: Tensor, moments: Tensor, total: Tensor, rows: int) -> Tensor:
    """Return the penalty (S, J) of the smallest error of generalized cross-validation.

    Args:
        variance: (S, C), eigenvalues of X^T X.
        moments: (S, J, C), squared length of X^T Y along each of its eigenvectors.
        total: (J,), |Y|^2.
    """
    smallest = torch.finfo(variance.dtype).tiny  # of streams that are all the same
    penalty = PENALTIES[:, None, None] * variance.mean(-1)[None, :, None].clamp_min(smallest)  # (P, S, 1)
    regularized = variance + penalty  # (P, S, C)
    explained = (moments * ((regularized + penalty) / regularized.square())[:, :, None]).sum(-1)  # (P, S, J)
    freedom = (variance / regularized).sum(-1) + 1  # (P, S); 1 for the mean
    error = (total - explained) / (rows - freedom).clamp_min(smallest)[..., None].square()
    best = error.argmin(0)  # (S, J)
    chosen: Tensor = penalty.expand_as(error).gather(0, best[None])[0]
    return chosen


def halves_of_entities(own: Indices, others: Indices, seed: int, *labels: str) -> tuple[Indices, Indices]:
    """Put a random half of the entities of some questions in half 0, the rest in half 1, and so those of others.

    Args:
        own: (N, G), the G entities of each question.
        others: (M, G).

    Returns:
        The half of each question, (N,) and (M,); -1 where its entities are not all in one.
    """
    entities = np.unique(np.concatenate([own, others]))
    keys = Stream(seed, "interpret", "halves of entities", *labels).words(len(entities))
    order = np.lexsort((keys, ~np.isin(entities, own)))  # those of its own first, so that their halves are equal
    half = np.empty(len(entities), np.int64)
    half[order] = np.arange(len(entities)) % 2

    def of(questions: Indices) -> Indices:
        halves = half[np.searchsorted(entities, questions)]
        return np.where((halves == halves[:, :1]).all(1), halves[:, 0], -1)

    return of(own), of(others)
