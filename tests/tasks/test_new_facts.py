"""New facts for a second training: every row is derived again from the facts, and the old data stay as they were."""

from __future__ import annotations

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import CompositionTask, NewFacts, dataset_id, validate
from grokcore.tasks import build_task
from grokcore.tasks.new_facts import joined
from tests.tasks.small_tasks import ALL, texts

OLD = CompositionTask(entities=40, relations=20, out_degree=10, phi=6, ood_ratio=0.1, test_ratio=0.2, probe_size=ALL)
KINDS = ("new_old", "old_new", "new_new")


def task(**fields):
    return OLD.model_copy(update={"new_facts": NewFacts(**{"facts": 200, "chained": 130, **fields})})


def facts_of(data, *splits):
    return {question: answer for split in splits for question, answer in texts(data, data.train[split])}


@pytest.fixture(scope="module", params=[{}, {"reserved_entities": 5}], ids=["known", "reserved"])
def fields(request):
    return request.param


def test_every_held_out_row_is_a_path_of_its_kind_and_half_of_all_such_paths_are_held_out(fields):
    data = build_task(task(**fields))
    new = facts_of(data, "atomic_new")
    known = facts_of(data, "id_atomic")
    steps = {"new_old": (new, known), "old_new": (known, new), "new_new": (new, new)}
    for kind, (first, second) in steps.items():
        paths = {
            (head, one, other): tail
            for (head, one), bridge in first.items()
            for (middle, other), tail in second.items()
            if middle == bridge
        }
        held_out = texts(data, data.probes[kind])
        assert len(held_out) == len(set(held_out)) == data.splits[kind].rows >= 500
        assert all(paths[question] == answer for question, answer in held_out)
        assert abs(len(held_out) - len(paths) / 2) < 5 * (len(paths) / 4) ** 0.5
    assert "new_inferred" not in data.splits


def test_new_facts_use_relations_that_their_heads_did_not_have_and_half_of_the_known_entities(fields):
    data = build_task(task(**fields))
    old, new = facts_of(data, "id_atomic", "ood_atomic"), facts_of(data, "atomic_new")
    reserved = {f"<e_{40 + number}>" for number in range(fields.get("reserved_entities", 0))}
    assert len(old) == 400
    assert len(new) == 200
    assert not old.keys() & new.keys()
    heads = {head for head, _ in new}
    assert len(heads - reserved) == 20
    assert reserved <= heads
    counts = [sum(head == one for head, _ in new) for one in heads]
    assert max(counts) - min(counts) <= 1
    assert sum(tail in heads for tail in new.values()) == 130
    assert not reserved & {token for question, answer in old.items() for token in (*question, answer)}


def test_the_old_rows_stay_and_the_vocabulary_is_that_of_the_first_training(fields):
    before = build_task(OLD)
    data = build_task(task(**fields))
    for split in ("id_atomic", "ood_atomic", "train_inferred"):
        assert np.array_equal(data.train[split].tokens, before.train[split].tokens)
    assert texts(data, data.probes["old"]) == texts(before, before.probes["test_inferred_iid"])
    reserved = fields.get("reserved_entities", 0)
    first = OLD if not reserved else OLD.model_copy(update={"new_facts": NewFacts(facts=0, **fields)})
    assert build_task(first).vocabulary == data.vocabulary
    assert build_task(first).splits == before.splits
    assert [name for name, split in data.splits.items() if split.role == "held_out"] == ["old", *KINDS]
    assert task(**fields).held_out_splits == ("old", *KINDS)


def test_a_larger_share_only_adds_paths_of_more_new_facts_and_tests_the_same_rows(fields):
    few, more, every = (build_task(task(share_in_inferred=share, **fields)) for share in (0.05, 0.2, 1.0))
    rows = [set(texts(data, data.train["new_inferred"])) for data in (few, more, every)]
    assert rows[0] < rows[1] < rows[2]
    for data, taught, share in zip((few, more, every), rows, (0.05, 0.2, 1.0), strict=True):
        held_out = {row for kind in KINDS for row in texts(data, data.probes[kind])}
        assert not taught & held_out
        assert held_out == {row for kind in KINDS for row in texts(every, every.probes[kind])}
        new, old = facts_of(data, "atomic_new"), facts_of(data, "id_atomic", "ood_atomic")
        both = {**old, **new}
        composed = set()
        for (head, one, other), tail in taught:
            bridge = both[head, one]
            assert both[bridge, other] == tail
            composed |= {(head, one), (bridge, other)} & new.keys()
        assert len(composed) <= round(share * 200)
    # All paths of new facts are either held out or taught where all new facts are shown.
    assert len(rows[2]) + sum(every.splits[kind].rows for kind in KINDS) == sum(_paths(every))


def _paths(data):
    new, known = facts_of(data, "atomic_new"), facts_of(data, "id_atomic")
    for first, second in ((new, known), (known, new), (new, new)):
        heads = [head for head, _ in second]
        yield sum(heads.count(bridge) for bridge in first.values())


def test_joined_pairs_are_those_of_two_loops():
    tail, head = np.array([2, 0, 2, 5, 1]), np.array([1, 2, 0, 2, 2])
    pairs = [(i, j) for i in range(5) for j in range(5) if tail[i] == head[j]]
    assert list(zip(*(one.tolist() for one in joined(tail, head)), strict=True)) == pairs


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"chained": 20}, r"new_new has \d+ rows, fewer than the 500 .*raise new_facts.chained=20 or"),
        ({"facts": 40, "chained": 40}, "raise new_facts.facts=40 or out_degree=10"),
    ],
)
def test_an_underpowered_split_is_refused_with_what_to_change(fields, named):
    with pytest.raises(InputError, match=named) as refused:
        build_task(
            task(**fields) if "facts" not in fields else OLD.model_copy(update={"new_facts": NewFacts(**fields)})
        )
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=r"old has .* raise test_ratio=0\.05"):
        build_task(task().model_copy(update={"test_ratio": 0.05}))


@pytest.mark.parametrize(
    ("new", "fields", "named"),
    [
        ({"facts": 201}, {}, "is more than the 200 that relations=20 and out_degree=10 leave"),
        ({"facts": 100}, {"hops": 3}, "of two hops: set hops=2"),
        ({"facts": 10, "chained": 11}, {}, "lower chained or raise facts"),
        ({"facts": 0}, {}, "adds nothing"),
        ({"facts": 0, "reserved_entities": 2, "share_in_inferred": 0.5}, {}, "share of the new facts"),
    ],
)
def test_impossible_new_facts_are_refused(new, fields, named):
    with pytest.raises(InputError, match=named):
        validate(CompositionTask, {**OLD.model_dump(), **fields, "new_facts": new})


def test_tasks_without_new_facts_keep_their_ids():
    stored = OLD.model_dump()
    stored.pop("new_facts")
    assert dataset_id(validate(CompositionTask, stored)) == dataset_id(OLD)
    assert dataset_id(OLD) != dataset_id(task())
