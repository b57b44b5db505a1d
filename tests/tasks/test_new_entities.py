"""New entities for a second training on comparisons: every row is derived again from the values that are stated."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, NewEntities, dataset_id, validate
from grokcore.tasks import build_task
from tests.tasks.small_tasks import ALL, texts

OLD = ComparisonTask(entities=40, attributes=3, values=4, phi=5, id_ratio=0.8, test_ratio=0.2, probe_size=ALL)
NEW = {f"<e_{40 + number}>" for number in range(24)}


def task(**fields):
    return OLD.model_copy(update={"new_facts": NewEntities(**{"reserved_entities": 24, **fields})})


def values_of(data, *splits):
    return {question: int(answer[1:-1]) for split in splits for question, answer in texts(data, data.train[split])}


def pair_of(question):
    attribute, _, first, _, second = question
    return attribute, frozenset((first, second))


def test_every_held_out_row_is_right_and_half_of_all_pairs_are_held_out_in_both_orders():
    data = build_task(task())
    known, new = values_of(data, "id_atomic"), values_of(data, "atomic_new")
    value = {**known, **new}
    assert len(new) == 24 * 3
    assert {entity for entity, _ in new} == NEW
    everyone = {"new_old": [], "new_new": []}
    for attribute in (f"<attr_{number}>" for number in range(3)):
        old = [entity for entity, one in known if one == attribute]
        everyone["new_old"] += [(attribute, frozenset((entity, other))) for entity in NEW for other in old]
        everyone["new_new"] += [(attribute, frozenset(pair)) for pair in combinations(sorted(NEW), 2)]
    for kind, pairs in everyone.items():
        rows = texts(data, data.probes[kind])
        assert len(rows) == len(set(rows)) == data.splits[kind].rows >= 500
        assert {pair_of(question) for question, _ in rows} <= set(pairs)
        assert len({pair_of(question) for question, _ in rows}) == len(rows) / 2
        assert abs(len(rows) / 2 - len(pairs) / 2) < 5 * (len(pairs) / 4) ** 0.5
        for (attribute, _, first, _, second), answer in rows:
            label = int(np.sign(value[first, attribute] - value[second, attribute])) + 1
            assert answer == f"{attribute[:-1]}_{label}>"
    assert "new_inferred" not in data.splits


def test_the_old_rows_stay_and_the_vocabulary_is_that_of_the_first_training():
    before, first, data = build_task(OLD), build_task(task(stated=False)), build_task(task())
    assert first.vocabulary == data.vocabulary
    assert data.vocabulary == (*before.vocabulary, *(f"<e_{40 + number}>" for number in range(24)))
    assert first.splits == before.splits
    for split in ("id_atomic", "ood_atomic", "train_inferred"):
        assert np.array_equal(data.train[split].tokens, before.train[split].tokens)
    assert texts(data, data.probes["old"]) == texts(before, before.probes["test_inferred_iid"])
    held_out = [name for name, split in data.splits.items() if split.role == "held_out"]
    assert tuple(held_out) == task().held_out_splits == ("old", "new_old", "new_new")
    assert task(stated=False).held_out_splits == OLD.held_out_splits


def test_a_larger_share_only_adds_pairs_of_more_new_entities_and_tests_the_same_rows():
    few, more, every = (build_task(task(share_in_inferred=share)) for share in (0.1, 0.5, 1.0))
    taught = [set(texts(data, data.train["new_inferred"])) for data in (few, more, every)]
    assert taught[0] < taught[1] < taught[2]
    held_out = {row for kind in ("new_old", "new_new") for row in texts(every, every.probes[kind])}
    for data, rows, share in zip((few, more, every), taught, (0.1, 0.5, 1.0), strict=True):
        assert held_out == {row for kind in ("new_old", "new_new") for row in texts(data, data.probes[kind])}
        assert not {pair_of(question) for question, _ in rows} & {pair_of(question) for question, _ in held_out}
        assert len({token for question, _ in rows for token in question} & NEW) == round(share * 24)
    pairs = 3 * (24 * 32 + 24 * 23 // 2)
    assert len(taught[2]) + len(held_out) == 2 * pairs


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"reserved_entities": 10}, r"new_new has \d+ rows, fewer than the 500 .*raise new_facts.reserved_entities=10"),
        ({"reserved_entities": 10_000}, "lower it"),
    ],
)
def test_too_few_or_too_many_are_refused_with_what_to_change(fields, named):
    many = {"entities": 3000, "attributes": 1, "phi": 1} if fields["reserved_entities"] == 10_000 else {}
    with pytest.raises(InputError, match=named):
        build_task(task(**fields).model_copy(update=many))


@pytest.mark.parametrize(
    ("new", "fields", "named"),
    [
        ({"stated": False, "share_in_inferred": 0.5}, {}, "share of the stated entities"),
        ({}, {"facts": 64 * "0"}, "added to drawn facts"),
    ],
)
def test_impossible_new_entities_are_refused(new, fields, named):
    with pytest.raises(InputError, match=named):
        validate(ComparisonTask, {**OLD.model_dump(), **fields, "new_facts": new})


def test_tasks_without_new_entities_keep_their_ids():
    stored = OLD.model_dump()
    stored.pop("new_facts")
    assert dataset_id(validate(ComparisonTask, stored)) == dataset_id(OLD)
    assert len({dataset_id(one) for one in (OLD, task(), task(stated=False))}) == 3
