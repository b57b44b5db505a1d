"""How near streams are to centroids of the streams of other questions with the same target (arXiv 2505.23653)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from grokcore.interpret.intervals import Values
from grokcore.interpret.probes import Labeled
from grokcore.tasks.random import Indices


def to_centroids(own: Labeled, reference: Labeled) -> tuple[Values, Indices]:
    """Return cosines of streams to centroids of the reference: of the same target, and of the control's.

    Rows of the reference that share an entity with a row do not count in its centroids: among them are itself, and
    questions of the same beginning, whose streams are the same. Nor do those that share one with its donor, so that
    both centroids are of equally many rows: one of more rows is nearer to any stream.

    Args:
        reference: may be `own`.

    Returns:
        (2, S, n), and which n rows: those of which there are both centroids, of different targets.
    """
    classes, of_reference = np.unique(reference.labels[0], return_inverse=True)
    streams, others = own.hidden.transpose(0, 1), reference.hidden.transpose(0, 1)  # (N, S, D), (M, S, D)
    sums = others.new_zeros(len(classes) + 1, *others.shape[1:])  # the last is of targets that the reference lacks
    sums.index_add_(0, torch.from_numpy(of_reference), others)
    shared = shared_entities(np.concatenate([own.entities, own.donors], axis=1), reference.entities)
    cosines, found = [], []
    for wanted in own.labels:
        place = np.where(np.isin(wanted, classes), np.searchsorted(classes, wanted), len(classes))
        same = place[:, None] == of_reference
        rows, left_out = (torch.from_numpy(one) for one in np.nonzero(same & shared))
        centroid = sums[torch.from_numpy(place)].index_add_(0, rows, others[left_out], alpha=-1)  # times its rows
        cosines.append(torch.cosine_similarity(streams, centroid, dim=-1).T)
        found.append((same & ~shared).any(1))
    kept = np.flatnonzero(found[0] & found[1] & (own.labels[0] != own.labels[1]))
    return torch.stack(cosines)[..., torch.from_numpy(kept)].numpy(), kept


def shared_entities(first: Indices, second: Indices) -> npt.NDArray[np.bool_]:
    """Return which questions have an entity in common, (N, M), for the entities (N, G) and (M, H) of each."""
    shared = np.zeros((len(first), len(second)), bool)
    for one in first.T:
        for other in second.T:
            shared |= one[:, None] == other
    return shared
