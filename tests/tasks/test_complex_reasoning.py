"""Complex reasoning: format, sizes, the deductions on examples that can be read, and what is refused."""

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import ComplexReasoningTask, validate
from grokcore.tasks import build_task
from grokcore.tasks.reachability import follows_by_chaining, follows_from_comparisons, joined
from tests.tasks.small_tasks import ALL, texts

TASK = ComplexReasoningTask(entities=80, attributes=3, values=6, id_ratio=0.7, train_ratio=0.08, probe_size=ALL)


@pytest.fixture(scope="module")
def data():
    return build_task(TASK)


def test_questions_read_as_in_the_reference(data):
    for split in data.splits:
        for question, answer in texts(data, data.probes[split]):
            if split == "id_atomic":
                assert (question[0], *question[3:]) == ("<q>", "<mask>", "</q>", "<a>")
                assert answer in {f"<{value}>" for value in range(6)}
            else:
                assert (question[1], question[3], *question[5:]) == ("<q>", "<mask>", "</q>", "<a>")
                assert answer[:-3] == question[0][:-1]


def test_no_value_of_an_out_of_domain_entity_is_stated(data):
    known = {question[1:3] for question, _ in texts(data, data.train["id_atomic"])}
    assert len(known) == 3 * 56
    for split in ("test_inferred_ood", "test_inferred_ood_stated"):
        for (attribute, _, first, _, second, _, _), _ in texts(data, data.probes[split]):
            assert not {(first, attribute), (second, attribute)} & known


@pytest.fixture(scope="module")
def by_pairs():
    return build_task(TASK.model_copy(update={"stated": "pairs"}))


def compared(data, split):
    """The (attribute, first, second) of every row."""
    return {question[0:1] + question[2:5:2] for question, _ in texts(data, data.probes[split])}


def flipped(rows):
    return {(attribute, second, first) for attribute, first, second in rows}


def test_a_share_of_the_rows_is_stated_and_of_the_in_domain_pairs_held_out(data):
    pairs = 3 * 56 * 55 // 2
    held_out = data.splits["test_inferred_iid"].rows // 2
    assert abs(held_out - 0.1 * pairs) < 5 * (0.1 * 0.9 * pairs) ** 0.5
    assert data.splits["train_inferred"].rows == round(0.08 * 2 * (pairs - held_out))
    assert data.splits["train_inferred_mixed"].rows == round(0.08 * 2 * 3 * 56 * 24)


def test_a_share_of_the_pairs_is_stated_where_pairs_are_drawn(by_pairs):
    pairs, between = 3 * 56 * 55 // 2, 3 * 56 * 24
    assert abs(by_pairs.splits["train_inferred"].rows / 2 - 0.08 * 0.9 * pairs) < 5 * (0.08 * pairs) ** 0.5
    assert abs(by_pairs.splits["train_inferred_mixed"].rows / 2 - 0.08 * between) < 5 * (0.08 * between) ** 0.5


@pytest.mark.parametrize("split", ["train_inferred", "train_inferred_mixed"])
def test_nearly_all_stated_pairs_stand_in_one_order_only(data, split):
    rows = compared(data, split)
    both = len(rows & flipped(rows)) / 2
    unordered = len(rows | flipped(rows)) / 2
    assert both == pytest.approx(0.08 * len(rows) / 2, abs=4 * (0.08 * len(rows) / 2) ** 0.5)
    assert unordered == len(rows) - both


@pytest.mark.parametrize("split", ["train_inferred", "train_inferred_mixed"])
def test_id_and_ood_entities_come_first_equally_often_in_what_is_stated(data, split):
    known = {question[1:3] for question, _ in texts(data, data.train["id_atomic"])}
    rows = compared(data, split)
    first_is_id = sum((first, attribute) in known for attribute, first, _ in rows)
    second_is_id = sum((second, attribute) in known for attribute, _, second in rows)
    assert abs(first_is_id - second_is_id) < 4 * len(rows) ** 0.5
    lower = sum(int(first[3:-1]) < int(second[3:-1]) for _, first, second in rows)
    assert abs(lower - len(rows) / 2) < 2 * len(rows) ** 0.5


def test_both_orders_are_held_out_together_and_stated_together_where_pairs_are_drawn(data, by_pairs):
    assert (held_out := compared(data, "test_inferred_iid")) == flipped(held_out)
    for split in ("train_inferred", "train_inferred_mixed", "test_inferred_iid"):
        assert (rows := compared(by_pairs, split)) == flipped(rows)
    assert compared(by_pairs, "test_inferred_iid") == held_out
    assert not held_out & (compared(data, "train_inferred") | compared(by_pairs, "train_inferred"))


def test_the_labels_of_what_is_to_be_deduced_are_balanced(data):
    answers = [answer[-2] for _, answer in texts(data, data.probes["test_inferred_ood"])]
    assert {answers.count(label) for label in "012"} == {len(answers) // 3}


VALUES = np.array([2, 3, 5, 1, 4, 4, 3])
"""Entities 0, 1, 2 are known, 3 to 6 are not."""


def matrix(*pairs, unknown=4):
    found = np.zeros((unknown, unknown), bool)
    for first, second in pairs:
        found[first, second] = True
    return found.tolist()


def test_an_order_follows_over_known_values_and_equality_over_equal_ones():
    # 3 < 0 (2), 1 (3) < 4, 1 (3) < 5, 6 = 1 (3): so 3 < 4, 3 < 5, 3 < 6, 6 < 4, 6 < 5, and nothing of 4 and 5.
    smaller, equal = follows_by_chaining(VALUES, np.arange(3, 7), (np.array([0, 1, 1, 1]), np.array([3, 4, 5, 6])))
    assert smaller.tolist() == matrix((0, 1), (0, 2), (0, 3), (3, 1), (3, 2))
    assert not equal.any()
    values = np.array([3, 3, 0, 3, 3])
    smaller, equal = follows_by_chaining(values, np.arange(3, 5), (np.array([0, 1]), np.array([3, 4])))
    assert equal.tolist() == matrix((0, 1), (1, 0), unknown=2)
    assert not smaller.any()


def test_numbers_are_not_counted_only_chained():
    """3 > value 0 and 4 < value 2 leave 3 >= 1 and 4 <= 1, which a chain of comparisons does not tell."""
    values = np.array([0, 2, 2, 1, 1])
    smaller, equal = follows_by_chaining(values, np.arange(3, 5), (np.array([0, 1]), np.array([3, 4])))
    assert not smaller.any()
    assert not equal.any()


def test_an_order_follows_from_stated_comparisons_alone_over_any_entities():
    # 3 < 0 < 6 = 1 < 5, and 4 is compared with nobody.
    stated = (np.array([3, 0, 6, 5]), np.array([0, 6, 1, 1]))
    above, same = follows_from_comparisons(VALUES, np.arange(3, 7), stated)
    assert above.tolist() == matrix((0, 3), (0, 2), (3, 2))
    assert not same.any()
    above, same = follows_from_comparisons(VALUES, np.array([4, 5]), (np.array([4]), np.array([5])))
    assert same.tolist() == matrix((0, 1), (1, 0), unknown=2)


def test_what_pairs_join_has_one_number():
    assert joined(6, np.array([4, 1, 5]), np.array([5, 3, 2])).tolist() == [0, 1, 2, 1, 2, 2]
    assert joined(3, np.array([], int), np.array([], int)).tolist() == [0, 1, 2]


def test_the_published_configuration_has_its_sizes():
    data = build_task(ComplexReasoningTask(entities=1000, attributes=20, values=20, probe_size=3000))
    rows = {name: split.rows for name, split in data.splits.items()}
    assert rows["id_atomic"] == 18_000
    assert rows["train_inferred"] == round(0.03 * (20 * 809_100 - rows["test_inferred_iid"]))
    assert rows["train_inferred_mixed"] == 108_000
    assert 150 <= rows["test_inferred_ood"] <= 400  # the public test set has 150 of them, 50 of each label
    assert len(data.vocabulary) == 1106
    stated = data.train["train_inferred_mixed"].tokens
    pairs = np.unique(np.column_stack([stated[:, 0], np.sort(stated[:, [2, 4]], axis=1)]), axis=0)
    assert len(pairs) / (20 * 90_000) == pytest.approx(1 - 0.97**2, abs=3e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id_ratio": 0.999}, "80 in-domain and 0 out-of-domain entities; each needs at least 2"),
        ({"train_ratio": 1}, "train_ratio: .*less than 1, got 1"),
        ({"entities": 9000}, "entities: .*less than or equal to 5000"),
    ],
)
def test_impossible_tasks_are_refused_with_the_field_to_change(fields, message):
    with pytest.raises(InputError, match=message):
        validate(ComplexReasoningTask, {**TASK.model_dump(), **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"test_ratio": 1e-9}, "left test_inferred_iid empty: raise test_ratio=1e-09"),
        ({"train_ratio": 1e-9}, "left train_inferred empty: raise train_ratio=1e-09"),
        ({"entities": 5000, "attributes": 1000}, "of which train_ratio=0.08 are stated: lower one of these"),
    ],
)
def test_draws_that_cannot_be_name_what_to_change(fields, message):
    with pytest.raises(InputError, match=message):
        build_task(TASK.model_copy(update=fields))
