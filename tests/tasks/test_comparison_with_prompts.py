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
ASKED, UNASKED = ({f"<e_{40 + number}>" for number in part} for part in (range(12), range(12, 24)))
NEW = ASKED | UNASKED
OWN = ("id_atomic", "ood_atomic", "train_inferred")
FURTHER = ("told_train", "told_atomic_train")


def task(**fields):
    return PLAIN.model_copy(update={"prompts": Prompts(**{"new_entities": 24, **fields})})


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
    return build_task(task(rows=1001))


def questions(data, split, rows):
    """Each row as the facts of its prompt, the question behind them, and the answer."""
    return [(*parted(split, question), answer) for question, answer in texts(data, rows)]


def test_behind_their_prompts_the_rows_of_the_task_are_those_without(data):
    plain = build_task(PLAIN)
    assert (*data.train,) == (*OWN, *FURTHER)
    for split, rows in plain.train.items():
        assert texts(data, without_prompts(split, data.train[split])) == texts(plain, rows)
    for split in ("test_inferred_iid", "test_inferred_ood", "test_inferred_mixed"):
        assert texts(data, data.probes[split]) == texts(plain, plain.probes[split])
        assert data.splits[split] == plain.splits[split]
    assert data.vocabulary == (*plain.vocabulary, *(f"<e_{40 + number}>" for number in range(24)))


def test_prompts_of_the_rows_of_the_task_state_true_facts_and_never_one_that_helps(data):
    values = known_values(data)
    counts, about_new, drawn = [], 0, {}
    for split in OWN:
        for stated, asked, _ in questions(data, split, data.train[split]):
            assert not {*needed_of(asked)} & stated.keys()
            for fact, value in stated.items():
                if fact[0] in NEW:
                    about_new += 1
                    drawn.setdefault(fact, set()).add(value)
                else:
                    assert value == values[fact]
            counts.append(len(stated))
    assert np.bincount(counts, minlength=5).min() > 0.1 * len(counts)
    assert max(counts) == 4
    assert abs(about_new / sum(counts) - 0.5) < 5 * (0.25 / sum(counts)) ** 0.5
    assert len(drawn) == 24 * 3
    assert max(map(len, drawn.values())) == 4, "no prompt draws the value of a new entity anew"


def test_further_rows_ask_for_half_of_the_new_entities_and_are_answered_by_their_prompts(data):
    assert [len(data.train[split]) for split in FURTHER] == [501, 500]
    for split in FURTHER:
        counts = set()
        for stated, asked, answer in questions(data, split, data.train[split]):
            assert {entity for entity, _ in needed_of(asked)} <= ASKED
            assert answer == answer_of(asked, stated)
            counts.add(len(stated))
        assert counts == ({2, 3, 4} if split == "told_train" else {1, 2, 3, 4})


def test_training_asks_for_no_entity_of_the_other_half(data):
    for split, rows in data.train.items():
        for question, _ in texts(data, without_prompts(split, rows)):
            assert not UNASKED & {*question}


@pytest.mark.parametrize(
    ("split", "facts", "entities"),
    [*((f"told_{k}", k, UNASKED) for k in (2, 3, 4)), ("told_atomic", 4, UNASKED), ("told_asked", 4, ASKED)],
)
def test_where_it_is_told_the_answer_follows_from_the_prompt(data, split, facts, entities):
    rows = questions(data, split, data.probes[split])
    assert len(rows) == (12 * 3 if split == "told_atomic" else 3 * 12 * 11)
    assert data.splits[split].role == "diagnostic"
    for stated, asked, answer in rows:
        assert len(stated) == facts
        assert {entity for entity, _ in needed_of(asked)} <= entities
        assert answer == answer_of(asked, stated)


def test_the_controls_ask_the_same_questions_behind_prompts_that_do_not_tell(data):
    told = [(asked, answer) for _, asked, answer in questions(data, "told_4", data.probes["told_4"])]
    for split, facts in (("told_0", 0), ("untold", 4)):
        rows = questions(data, split, data.probes[split])
        assert [(asked, answer) for _, asked, answer in rows] == told
        for stated, asked, _ in rows:
            assert len(stated) == facts
            assert not any(fact in stated for fact in needed_of(asked))


def test_a_new_entity_is_compared_with_a_known_one_that_is_in_domain_in_both_orders(data):
    values = known_values(data)
    known = {tuple(q[-2:]) for q, _ in texts(data, data.train["id_atomic"])}
    rows = questions(data, "told_new_old", data.probes["told_new_old"])
    assert len(rows) == len({asked for _, asked, _ in rows}) == 2 * len(known) * 12
    for stated, asked, answer in rows:
        new, old = sorted(needed_of(asked), key=lambda fact: fact[0] not in UNASKED)
        assert new in stated
        assert old in known - stated.keys() or stated[old] == values[old]
        assert answer == answer_of(asked, {**values, **stated})
    assert sum(asked[2] in UNASKED for _, asked, _ in rows) == len(rows) / 2


def test_known_questions_stand_behind_as_many_facts_that_do_not_help(data):
    rows = questions(data, "iid_prompted", data.probes["iid_prompted"])
    assert [asked for _, asked, _ in rows] == [q for q, _ in texts(data, data.probes["test_inferred_iid"])]
    assert {len(stated) for stated, _, _ in rows} == {4}
    assert not any({*needed_of(asked)} & stated.keys() for stated, asked, _ in rows)


def test_without_further_rows_training_asks_for_no_new_entity_and_all_else_stays(data):
    alone = build_task(task())
    assert (*alone.train,) == OWN
    for split in OWN:
        assert texts(alone, alone.train[split]) == texts(data, data.train[split])
    assert {*data.probes} - {*alone.probes} == {*FURTHER, "told_asked"}
    assert texts(alone, alone.probes["told_4"]) == texts(data, data.probes["told_4"])


def test_baselines_are_those_of_the_answers(data):
    for split in ("told_4", "told_atomic"):
        counts = {}
        for _, asked, answer in questions(data, split, data.probes[split]):
            attribute = asked[-1] if "atomic" in split else asked[0]
            counts.setdefault(attribute, {}).setdefault(answer, []).append(1)
        best = sum(max(map(len, answers.values())) for answers in counts.values())
        assert data.splits[split].majority_baseline == pytest.approx(best / data.splits[split].rows)


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
    with pytest.raises(InputError, match=r"prompts.facts=30 is more than the 10 other facts"):
        build_task(task(facts=30, new_entities=4))
