"""Probes and centroids against loops that compute one row at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grokcore.interpret.centroids import shared_entities, to_centroids
from grokcore.interpret.probes import PENALTIES, Labeled, halves_of_entities, probed, ridge


def naive_ridge(fit: np.ndarray, labels: np.ndarray, read: np.ndarray, classes: int) -> np.ndarray:
    """One probe, by inverses, with the penalty of the smallest error of generalized cross-validation."""
    one_hot = np.eye(classes)[labels]
    mean, base, n = fit.mean(0), one_hot.mean(0), len(fit)
    x, y = fit - mean, one_hot - base
    unit = np.trace(x.T @ x) / min(x.shape)
    found = []
    for penalty in PENALTIES.numpy() * unit:
        inverse = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
        hat = x @ inverse @ x.T
        error = n * np.sum((y - hat @ y) ** 2) / (n - np.trace(hat) - 1) ** 2
        found.append((error, (base + (read - mean) @ inverse @ x.T @ y).argmax(1)))
    return min(found, key=lambda pair: pair[0])[1]


@pytest.mark.parametrize(("rows", "width"), [(60, 8), (20, 50)])
def test_ridge_agrees_with_inverses(rows: int, width: int) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, (2, rows))
    fit, read = generator.normal(size=(3, rows, width)), generator.normal(size=(3, 15, width))
    fit[0] += 2 * generator.normal(size=(4, width))[labels[0]]

    found = ridge(torch.from_numpy(fit), torch.from_numpy(labels), torch.from_numpy(read), 4)

    assert found.shape == (3, 2, 15)
    for site in range(3):
        for probe in range(2):
            expected = naive_ridge(fit[site], labels[probe], read[site], 4)
            assert found[site, probe].tolist() == expected.tolist()


def test_streams_that_are_all_the_same_are_read_as_the_most_frequent_class() -> None:
    labels = torch.tensor([[0, 1, 1, 1, 0, 1, 1, 0, 2, 1]])
    found = ridge(torch.full((1, 10, 3), 0.3).double(), labels, torch.full((1, 4, 3), 0.3).double(), 3)
    assert found.unique().tolist() == [1]


def test_the_two_halves_have_no_entity_in_common_and_equally_many_of_a_splits_own() -> None:
    generator = np.random.default_rng(0)
    own, others = generator.integers(0, 20, (200, 2)), generator.integers(10, 90, (300, 2))

    halves, of_others = halves_of_entities(own, others, 0)

    first, second = (np.concatenate([own[halves == side], others[of_others == side]]) for side in (0, 1))
    assert not np.isin(first, second).any()
    assert [len(np.unique(own[halves == side])) for side in (0, 1)] == [10, 10]
    across = halves == -1
    assert 0.3 < across.mean() < 0.7
    assert (halves_of_entities(own, others, 1)[0] != halves).any()


def test_only_targets_that_occur_in_the_other_half_are_read() -> None:
    generator = np.random.default_rng(0)
    entities = np.arange(100)[:, None]
    ids = np.where(entities[:, 0] == 7, 99, entities[:, 0] % 3)
    labeled = Labeled(torch.from_numpy(generator.normal(size=(4, 100, 5))), np.stack([ids, ids]), entities, entities)

    right, rows = probed(labeled, labeled, 0)

    assert right.shape == (2, 4, 99)
    assert rows.tolist() == [row for row in range(100) if row != 7]
    assert (right[0] == right[1]).all()


def test_centroids_agree_with_averaging_row_by_row() -> None:
    generator = np.random.default_rng(0)

    def drawn(rows: int, entities: int) -> Labeled:
        hidden = torch.from_numpy(generator.normal(size=(2, rows, 6)))
        pairs = generator.integers(0, entities, (2, rows, 1))
        return Labeled(hidden, generator.integers(0, 15, (2, rows)), *pairs)

    reference = drawn(30, 12)
    for own in (reference, drawn(25, 15)):
        cosines, kept = to_centroids(own, reference)
        expected = {}
        for row, labels in enumerate(own.labels.T):
            left_out = {*own.entities[row], *own.donors[row]}
            alien = np.array([not left_out & {*others} for others in reference.entities])
            chosen = [np.flatnonzero(alien & (reference.labels[0] == label)) for label in labels]
            if labels[0] != labels[1] and all(len(one) for one in chosen):
                centroids = [reference.hidden[:, one].mean(1) for one in chosen]
                expected[row] = [torch.cosine_similarity(own.hidden[:, row], one).numpy() for one in centroids]
        assert kept.tolist() == list(expected)
        assert 5 < len(kept) < len(own.entities)
        np.testing.assert_allclose(cosines, np.stack(list(expected.values()), axis=-1), atol=1e-10)


def test_entities_are_shared_across_their_places() -> None:
    shared = shared_entities(np.array([[1, 2], [3, 4]]), np.array([[2, 5], [4, 3], [6, 7]]))
    assert shared.tolist() == [[True, False, False], [False, True, False]]
