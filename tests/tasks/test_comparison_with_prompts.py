"""Comparison behind prompts: every row is derived again from the facts that the rows and their prompts state."""

from __future__ import annotations

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, NewEntities, Prompts, dataset_id, validate
from grokcore.tasks import build_task
from grokcore.tasks.comparison_with_prompts import without_prompts
from tests.tasks.small_tasks import ALL, texts

PLAIN = ComparisonTask(entities=40, attributes=3, values=4, phi=5, id_ratio=0.8, test_ratio=0.2, probe_size=ALL)
NEW = {f"<e_{40 + number}>" for number in range(12)}
TOLD = ("told_2", "told_3", "told_4")


def task(**fields):
    return PLAIN.model_copy(update={"prompts": Prompts(**{"new_entities": 12, **fields})})


def parted(split, question):
    """The facts of a prompt, {(entity, attribute): value}, and the question behind them."""
    asked = 2 if "atomic" in split else 5
    facts = question[:-asked]
    stated = {(facts[at], facts[at + 1]): int(facts[at + 2][1:-1]) for at in range(0, len(facts), 3)}
    assert len(stated) * 3 == len(facts), "a prompt states a fact twice"
    return stated, question[-asked:]


def needed_of(question):
    if len(question) == 2:
        return [tuple(question)]
    attribute, _, first, _, second = question
    return [(first, attribute), (second, attribute)]


def answer_of(question, values):
    known = [values[fact] for fact in needed_of(question)]
    return f"<{known[0]}>" if len(known) == 1 else f"{question[0][:-1]}_{int(np.sign(known[0] - known[1])) + 1}>"


def known_values(data):
    rows = [row for split in ("id_atomic", "ood_atomic") for row in texts(data, data.train[split])]
    return {tuple(question[-2:]): int(answer[1:-1]) for question, answer in rows}


@pytest.fixture(scope="module")
def data():
    return build_task(task(informative=0.25))


def test_behind_their_prompts_the_training_rows_are_those_of_the_task_without(data):
    plain = build_task(PLAIN)
    for split, rows in plain.train.items():
        bare = without_prompts(split, data.train[split])
        assert texts(data, bare) == texts(plain, rows)
    for split in ("test_inferred_iid", "test_inferred_ood", "test_inferred_mixed"):
        assert texts(data, data.probes[split]) == texts(plain, plain.probes[split])
        assert data.splits[split] == plain.splits[split]
    assert data.vocabulary == (*plain.vocabulary, *(f"<e_{40 + number}>" for number in range(12)))


def test_prompts_of_training_state_true_facts_about_known_entities_and_the_needed_ones_in_a_share(data):
    values = known_values(data)
    told, counts = [], []
    for split, rows in data.train.items():
        for question, _ in texts(data, rows):
            stated, asked = parted(split, question)
            assert stated.items() <= values.items()
            hits = [fact in stated for fact in needed_of(asked)]
            assert all(hits) or not any(hits)
            told.append(all(hits))
            counts.append(len(stated))
    assert abs(np.mean(told) - 0.25) < 5 * (0.25 * 0.75 / len(told)) ** 0.5
    assert np.bincount(counts, minlength=5).min() > 0.1 * len(counts)
    assert max(counts) == 4


def test_without_a_share_no_prompt_of_training_helps():
    data = build_task(task())
    for split, rows in data.train.items():
        for question, _ in texts(data, rows):
            stated, asked = parted(split, question)
            assert not any(fact in stated for fact in needed_of(asked))


def test_new_entities_stand_in_no_training_row(data):
    for rows in data.train.values():
        for question, _ in texts(data, rows):
            assert not NEW & set(question)


@pytest.mark.parametrize(("split", "facts"), [*((f"told_{k}", k) for k in (2, 3, 4)), ("told_atomic", 4)])
def test_where_it_is_told_the_answer_follows_from_the_prompt(data, split, facts):
    rows = texts(data, data.probes[split])
    assert len(rows) == (12 * 3 if split == "told_atomic" else 3 * 12 * 11)
    for question, answer in rows:
        stated, asked = parted(split, question)
        assert len(stated) == facts
        assert {entity for entity, _ in stated} <= NEW
        assert answer == answer_of(asked, stated)


def test_the_controls_ask_the_same_questions_behind_prompts_that_do_not_tell(data):
    told = [(parted("told_4", question)[1], answer) for question, answer in texts(data, data.probes["told_4"])]
    for split, facts in (("told_0", 0), ("untold", 4)):
        rows = [(*parted(split, question), answer) for question, answer in texts(data, data.probes[split])]
        assert [(asked, answer) for _, asked, answer in rows] == told
        for stated, asked, _ in rows:
            assert len(stated) == facts
            assert not any(fact in stated for fact in needed_of(asked))


def test_a_new_entity_is_compared_with_a_known_one_that_is_in_domain_in_both_orders(data):
    values = known_values(data)
    known = {tuple(q[-2:]) for q, _ in texts(data, data.train["id_atomic"])}
    rows = texts(data, data.probes["told_new_old"])
    assert len(rows) == len(set(rows)) == 2 * len(known) * 12
    first_is_new = 0
    for question, answer in rows:
        stated, asked = parted("told_new_old", question)
        new, old = sorted(needed_of(asked), key=lambda fact: fact[0] not in NEW)
        assert new in stated
        assert old in known
        assert answer == answer_of(asked, {**values, **stated})
        first_is_new += asked[2] in NEW
    assert first_is_new == len(rows) / 2


def test_known_questions_stand_behind_as_many_facts_that_do_not_help(data):
    asked = [parted("iid_prompted", question) for question, _ in texts(data, data.probes["iid_prompted"])]
    assert [question for _, question in asked] == [q for q, _ in texts(data, data.probes["test_inferred_iid"])]
    assert {len(stated) for stated, _ in asked} == {4}


def test_no_prompts_keep_the_id_of_the_data_and_prompts_change_it():
    assert dataset_id(PLAIN) == dataset_id(PLAIN.model_copy(update={"prompts": None}))
    assert dataset_id(PLAIN) != dataset_id(task())


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"new_facts": NewEntities()}, "new_facts and prompts both add entities"),
        ({"facts": "0" * 64}, "prompts are added to drawn facts"),
    ],
)
def test_what_does_not_go_together_is_refused(fields, named):
    with pytest.raises(InputError, match=named):
        validate(ComparisonTask, {**PLAIN.model_dump(), "prompts": {}, **fields})


def test_more_facts_than_there_are_are_refused_with_what_to_change():
    with pytest.raises(InputError, match=r"prompts.facts=30 is more than the 7 other facts"):
        build_task(task(facts=30, new_entities=3))
