import hashlib
import json

import numpy as np
import pytest

from grokcore.tasks.random import BottomK, Stream, smallest

MASK = 2**64 - 1


def philox4x64(key, counter, rounds=10):
    """Philox4x64-10 in plain integers, from Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011)."""
    key, block = list(key), [counter & MASK, counter >> 64, 0, 0]
    for _ in range(rounds):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * block[0], 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * block[2], 2**64)
        block = [high1 ^ block[1] ^ key[0], low1, high0 ^ block[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
    return block


def test_words_are_philox_keyed_by_the_sha256_of_seed_and_labels():
    digest = hashlib.sha256(json.dumps([7, "purpose", 3]).encode()).digest()
    key = [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")]
    expected = [word for counter in (1, 2, 3) for word in philox4x64(key, counter)]
    assert Stream(7, "purpose", 3).words(12).tolist() == expected


def test_chunks_do_not_change_the_words():
    whole, parts = Stream(0, "a"), Stream(0, "a")
    assert whole.words(100).tolist() == [w for size in (1, 0, 2, 3, 94) for w in parts.words(size).tolist()]


@pytest.mark.parametrize("other", [(1, "a"), (0, "b"), (0, "a", 0), (0, "a", "0"), (0,)])
def test_another_seed_or_label_gives_other_words(other):
    assert not set(Stream(0, "a").words(50).tolist()) & set(Stream(*other).words(50).tolist())


def test_integers_are_uniform_and_in_range():
    counts = np.bincount(Stream(0, "integers").integers(7, 70_000), minlength=7)
    assert len(counts) == 7
    assert (abs(counts - 10_000) < 500).all()


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1 - 2**-53])
def test_bernoulli_is_true_with_its_probability(probability):
    share = Stream(0, "coins").bernoulli(probability, 100_000).mean()
    assert abs(share - probability) < 0.01


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (99, 99), (100, 100), (1000, 100)])
def test_a_sample_is_without_replacement_ascending_and_at_most_all(count, expected):
    sample = Stream(0, "sample").sample(100, count)
    assert len(sample) == expected
    assert (np.diff(sample) > 0).all()
    assert ((sample >= 0) & (sample < 100)).all()


def test_a_larger_sample_contains_the_smaller():
    assert set(Stream(0, "s").sample(1000, 100).tolist()) < set(Stream(0, "s").sample(1000, 200).tolist())


def test_every_element_is_sampled_equally_often():
    hits = np.zeros(10)
    for seed in range(3000):
        hits[Stream(seed, "fair").sample(10, 3)] += 1
    assert (abs(hits - 900) < 120).all()


def test_of_equal_keys_the_earlier_is_taken():
    assert smallest(np.array([5, 3, 5, 5, 1], np.uint64), 3).tolist() == [0, 1, 4]


@pytest.mark.parametrize("count", [0, 1, 10, 300, 999, 1000, 5000])
@pytest.mark.parametrize("distinct_keys", [4, 2**63])
def test_bottom_k_in_chunks_equals_the_smallest_keys_at_once(count, distinct_keys):
    stream = Stream(count, "keys")
    keys = stream.words(1000) % np.uint64(distinct_keys)
    rows = np.arange(1000) * 3
    sample, start = BottomK(count), 0
    for size in stream.integers(60, 100).tolist():
        sample.offer(keys[start : start + size], rows[start : start + size])
        start += size
    assert start >= 1000
    assert sample.offered == 1000
    assert sample.rows().tolist() == rows[smallest(keys, count)].tolist()


def test_bottom_k_keeps_few_rows_of_many():
    sample, stream = BottomK(10), Stream(0, "many")
    for start in range(0, 100_000, 1000):
        sample.offer(stream.words(1000), np.arange(start, start + 1000))
        assert sum(map(len, sample._rows)) <= 20 + 1000
