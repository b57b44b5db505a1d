"""In-context tasks: format, splits, and what is refused."""

from itertools import permutations, product

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import InContextTask, validate
from grokcore.tasks import build_task
from grokcore.tasks.in_context import _different
from grokcore.tasks.prompts import distinct
from grokcore.tasks.random import Stream
from tests.tasks.small_tasks import texts

TASK = InContextTask(entities=12, values=5, context=3, long_context=5, id_ratio=0.7, train_size=2000, probe_size=300)
variants = pytest.mark.parametrize("variant", ["comparison", "recall"])


def built(variant, **fields):
    return build_task(TASK.model_copy(update={"variant": variant, **fields}))


@variants
def test_sizes_roles_and_vocabulary(variant):
    data = built(variant)
    assert {name: (split.role, split.rows) for name, split in data.splits.items()} == {
        "train": ("train", 2000),
        "test_iid": ("held_out", 300),
        "test_ood": ("held_out", 300),
        "test_long": ("diagnostic", 300),
    }
    labels = ("<smaller>", "<equal>", "<greater>") if variant == "comparison" else ()
    assert data.vocabulary == (
        *(f"<e_{entity}>" for entity in range(12)),
        *(f"<{value}>" for value in range(5)),
        *("<mask>", "<sep>", "<a>", "</a>", "<q>", "</q>"),
        *labels,
    )
    assert {split.chance for split in data.splits.values()} == {1 / 3 if labels else 1 / 5}


@variants
def test_out_of_domain_entities_stand_in_training_prompts_and_are_never_asked_for_there(variant):
    data = built(variant)
    stand, asked = set(), set()
    for question, _ in texts(data, data.train["train"]):
        end = question.index("<q>")
        stand.update(question[:end:2])
        asked.update(question[end + 1 :])
    assert stand == {f"<e_{entity}>" for entity in range(12)}
    assert len(asked) == 8
    out = {
        token for question, _ in texts(data, data.probes["test_ood"]) for token in question[question.index("<q>") + 1 :]
    }
    assert out == stand - asked


def test_places_entities_and_values_are_uniform():
    data = built("recall", train_size=2000)
    questions = [question for question, _ in texts(data, data.train["train"])]
    places = np.bincount([question[:6:2].index(question[-1]) for question in questions], minlength=3)
    assert (abs(places - 2000 / 3) < 120).all()
    values = np.bincount([int(token.strip("<>")) for question in questions for token in question[1:6:2]], minlength=5)
    assert (abs(values - 1200) < 200).all()


def test_every_row_of_a_distinct_draw_is_a_uniform_set():
    drawn = distinct(Stream(0, "draw"), 5, 3, 20_000)
    assert ((drawn >= 0) & (drawn < 5)).all()
    sets, counts = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    assert len(sets) == 10
    assert (np.diff(sets, axis=1) > 0).all()
    assert (abs(counts - 2000) < 250).all()


def chi_square(counts):
    """Pearson's statistic against equal expected counts."""
    expected = counts.sum() / counts.size
    return ((counts - expected) ** 2).sum() / expected


def asked_counts(task, split):
    """How often each ordered pair of entities is asked for."""
    data, counts = build_task(task), np.zeros((task.entities, task.entities))
    rows = data.train.get(split, data.probes[split])
    for (*_, first, second), _ in texts(data, rows):
        counts[int(first[3:-1]), int(second[3:-1])] += 1
    return counts


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_ordered_pair_is_asked_for_equally_often(seed):
    """By Pearson's chi-square; .9999 quantiles with 55 and 5 degrees of freedom are 106.2 and 25.7."""
    task = TASK.model_copy(update={"seed": seed, "train_size": 6000, "id_ratio": 0.67})
    train = asked_counts(task, "train")
    pairs = train[train > 0]
    assert len(pairs) == 8 * 7
    assert chi_square(pairs) < 106.2
    firsts = train.sum(axis=1)
    assert chi_square(firsts[firsts > 0]) < 29.9  # 7 degrees of freedom
    ood = asked_counts(TASK.model_copy(update={"seed": seed, "id_ratio": 0.75, "probe_size": 600}), "test_ood")
    assert len(ood[ood > 0]) == 3 * 2
    assert chi_square(ood[ood > 0]) < 25.7


def test_two_out_of_domain_entities_are_asked_for_in_both_orders():
    task = TASK.model_copy(update={"id_ratio": 0.83, "probe_size": 500})
    counts = asked_counts(task, "test_ood")
    assert sorted(counts[counts > 0]) == pytest.approx([250, 250], abs=45)  # 4 standard deviations


@pytest.mark.parametrize("variant", ["comparison", "recall"])
def test_places_of_what_is_asked_for_and_the_order_of_what_is_not_are_uniform(variant):
    data = built(variant, train_size=6000, id_ratio=0.67)
    places, orders = np.zeros((3, 3)), np.zeros((12, 12))
    for question, _ in texts(data, data.train["train"]):
        stand, asked = list(question[:6:2]), question[7:]
        places[stand.index(asked[0]), stand.index(asked[-1])] += 1
        orders[int(stand[0][3:-1]), int(stand[1][3:-1])] += 1
    found = places[places > 0]
    assert len(found) == (6 if variant == "comparison" else 3)
    assert chi_square(found) < 25.7
    first_is_lower = np.triu(orders).sum()
    assert abs(first_is_lower - 3000) < 160  # 4 standard deviations


@variants
def test_the_count_of_prompts_is_that_of_all_that_can_be_drawn(variant):
    """Enumerated: every ordered choice of asked entities among all, in every place, beside all others and values."""
    task = InContextTask.model_construct(variant=variant, entities=5, values=2, context=3)
    askable = (0, 1, 2)
    everything = {
        (asked, stand, values)
        for stand in permutations(range(5), 3)
        for asked in permutations(stand, task.asked)
        if set(asked) <= set(askable)
        for values in product(range(2), repeat=3)
    }
    assert task._prompts(len(askable)) == len(everything)
    drawn = _different(task.model_copy(update={"seed": 3}), "train", np.array(askable), 3, len(everything))
    assert len(np.unique(drawn, axis=0)) == len(everything)


@variants
def test_few_possible_prompts_are_drawn_until_all_differ(variant):
    fields = {"entities": 8, "values": 2, "context": 2, "long_context": 3, "id_ratio": 0.5}
    task = validate(InContextTask, {**fields, "variant": variant, "train_size": 30, "probe_size": 15})
    data = build_task(task)
    everything = [row for rows in (data.train["train"], data.probes["test_iid"]) for row in texts(data, rows)]
    assert len(set(everything)) == len(everything) == 45


def test_chunks_do_not_change_the_data(monkeypatch):
    whole = built("comparison")
    monkeypatch.setattr("grokcore.tasks.prompts._CHUNK", 77)
    chunked = built("comparison")
    for name, rows in whole.probes.items():
        assert np.array_equal(rows.tokens, chunked.probes[name].tokens)
    assert np.array_equal(whole.train["train"].tokens, chunked.train["train"].tokens)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"long_context": 3}, "long_context=3 must be greater than context=3"),
        ({"long_context": 13}, "long_context=13 is more than entities=12"),
        ({"id_ratio": 0.95}, "11 in-domain and 1 out-of-domain entities; a question of variant=comparison asks for 2"),
        ({"entities": 6, "values": 2, "long_context": 4}, r"are more than half of the \d+ prompts that there are"),
        (
            {"context": 2, "values": 2, "probe_size": 100, "train_size": 1},
            "more than half of the 96 prompts",
        ),
        ({"variant": "sorting"}, "variant: input should be 'comparison' or 'recall', got 'sorting'"),
    ],
)
def test_impossible_tasks_are_refused_with_the_field_to_change(fields, message):
    with pytest.raises(InputError, match=message):
        validate(InContextTask, {**TASK.model_dump(), **fields})


def test_prompts_that_do_not_fit_in_memory_are_refused():
    task = InContextTask(entities=1000, context=400, long_context=401, train_size=20_000_000)
    with pytest.raises(InputError, match="does not fit in memory: lower one of them"):
        build_task(task)
