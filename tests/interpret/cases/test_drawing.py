from collections import Counter

import numpy as np
import pytest

from grokcore.interpret.cases.drawing import balanced, choose
from grokcore.interpret.cases.facts import Facts, RowSet
from grokcore.interpret.cases.pools import MOST, Pools
from grokcore.tasks.random import Stream


def stream():
    return Stream(0, "test")


def test_one_valid_column_of_each_row_is_drawn_and_none_where_none_is_valid():
    valid = np.random.default_rng(0).random((500, 7)) < 0.3
    column = choose(valid, stream())

    assert ((column >= 0) == valid.any(axis=1)).all()
    assert valid[np.flatnonzero(column >= 0), column[column >= 0]].all()


def test_valid_columns_are_drawn_equally_often_and_preferred_ones_first():
    valid = np.tile([True, False, True, True], (3000, 1))
    counts = np.bincount(choose(valid, stream()), minlength=4)

    assert counts[1] == 0
    assert counts[[0, 2, 3]] == pytest.approx(1000, abs=100)
    preferred = choose(valid, stream(), np.tile([0, 2, 1, 0], (3000, 1)))
    assert (preferred == 2).all()


def test_no_candidate_at_all_is_none():
    assert choose(np.zeros((3, 0), bool), stream()).tolist() == [-1, -1, -1]


def test_labels_change_to_all_others_equally_often():
    own = np.repeat([0, 1, 2], [200, 50, 90])
    feasible = np.ones((340, 3), bool)
    feasible[np.arange(340), own] = False
    feasible[:60, 1] = False  # these can only change to 2
    changes = Counter(zip(own.tolist(), balanced(feasible, own, stream()).tolist(), strict=True))

    assert changes == {(0, 1): 100, (0, 2): 100, (1, 0): 25, (1, 2): 25, (2, 0): 45, (2, 1): 45}


def test_rows_without_another_label_are_left_out():
    assert balanced(np.zeros((2, 3), bool), np.array([0, 1]), stream()).tolist() == [-1, -1]


def test_pools_hold_the_items_of_a_key_and_draw_from_large_ones():
    keys = np.array([3, 0, 3, 3, 1])
    pools = Pools(keys)

    assert pools.of(np.array([3, 1, 2, -1, 9]), stream()).tolist() == [
        [0, 2, 3],
        [4, -1, -1],
        [-1, -1, -1],
        [-1, -1, -1],
        [-1, -1, -1],
    ]
    assert {*pools.one(np.full(50, 3), stream()).tolist()} == {0, 2, 3}
    assert pools.one(np.array([2, -1, 9]), stream()).tolist() == [-1, -1, -1]
    large = Pools(np.repeat([0, 1], [MOST * 4, 3])).of(np.array([0, 1]), stream())
    assert large.shape == (2, MOST)
    assert large[0].min() >= 0
    assert large[0].max() > MOST
    assert large[1, 3:].tolist() == [-1] * (MOST - 3)


def test_facts_are_found_by_subject_and_relation():
    facts = Facts(np.array([5, 2, 2]), np.array([7, 9, 7]), np.array([1, 1, 3]), np.array([0, 0, 1]))

    assert facts.find(np.array([[2, 2], [5, 5]]), np.array([[7, 9], [7, 9]])).tolist() == [[2, 1], [0, -1]]
    assert facts.find(np.array([-1]), np.array([7])).tolist() == [-1]


def test_rows_are_found_token_by_token():
    tokens = np.random.default_rng(1).integers(0, 5, (60, 4))
    among = RowSet(tokens)
    others = np.random.default_rng(2).integers(0, 6, (2000, 4))
    expected = [tuple(row) in {*map(tuple, tokens.tolist())} for row in others.tolist()]

    assert among.contains(list(others.T)).tolist() == expected
    assert 0 < sum(expected) < 200
    assert among.contains(list(tokens.T)).all()


def test_no_number_of_tokens_overflows():
    large = 10**5 - 1
    tokens = np.full((1, 9), large)

    assert RowSet(tokens).contains([large] * 9)
    assert not RowSet(tokens).contains([large] * 8 + [0])
