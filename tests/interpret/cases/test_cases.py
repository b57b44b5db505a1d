"""Cases of every kind of task, against answers that are worked out from the text of each question."""

from __future__ import annotations

import numpy as np
import pytest

import grokcore
from grokcore.data import open_dataset, read_facts, task_over
from grokcore.interpret.cases import CASES
from grokcore.spec import ComparisonTask, ComplexReasoningTask, CompositionTask, InContextTask
from tests.interpret.cases.questions import Answers
from tests.tasks.small_tasks import SMALL

TASKS = {
    **{kind: SMALL[kind] for kind in CASES},
    "three hops": CompositionTask(
        entities=20, relations=8, out_degree=6, hops=3, phi=3, ood_ratio=0.3, test_ratio=0.1, probe_size=40
    ),
    "identity rows": SMALL["composition"].model_copy(update={"identity": True}),
    "recall": InContextTask(
        variant="recall", entities=12, values=5, context=3, long_context=5, id_ratio=0.7, train_size=300, probe_size=40
    ),
}
SPECIFICITY = ("same ", "other ")
"""Beginnings of the kinds whose answer stays."""
every_task = pytest.mark.parametrize("name", TASKS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """name -> (task, dataset, cases), each made once."""
    found = {}

    def make(name):
        if name not in found:
            task = TASKS[name]
            place = tmp_path_factory.mktemp("cases") / "data"
            grokcore.generate_dataset(task, place)
            data = open_dataset(place)
            found[name] = task, data, CASES[task.kind](task, data, 30, 0)
        return found[name]

    return make


def texts(data, tokens):
    return [[data.vocabulary[token] for token in row] for row in tokens.tolist()]


@every_task
def test_every_split_has_a_case_of_its_own_questions(made, name):
    _, data, cases = made(name)

    assert [case.split for case in cases] == list(data.info.splits)
    for case in cases:
        probes = data.probes()[case.split]
        own = {tuple(row) for row in probes.tokens[:, : len(case.roles)].tolist()}
        assert len(case) == min(30, len(probes))
        assert case.total == len(probes)
        assert case.tokens.shape == (len(case), len(case.roles))
        assert len({*case.roles}) == len(case.roles)
        assert {tuple(row) for row in case.tokens.tolist()} <= own


@every_task
def test_answers_of_questions_and_counterfactuals_are_right(made, name):
    task, data, cases = made(name)
    answer = Answers(task, data)

    for case in cases:
        right = [data.vocabulary[token] for token in case.answers]
        assert [answer(*question) for question in texts(data, case.tokens)] == right
        for kind, one in case.counterfactuals.items():
            given = [data.vocabulary[token] for token in one.answers]
            assert [answer(*question) for question in texts(data, one.tokens)] == given, (case.split, kind)
            assert one.kind == kind
            assert len(one.rows)
            assert (np.diff(one.rows) > 0).all()
            assert ((one.answers == case.answers[one.rows]) == kind.startswith(SPECIFICITY)).all(), kind


@every_task
def test_counterfactuals_differ_at_their_positions_alone(made, name):
    for case in made(name)[2]:
        for kind, one in case.counterfactuals.items():
            differs = one.tokens != case.tokens[one.rows]
            assert differs.all(axis=0).tolist() == [role in one.positions for role in case.roles], (case.split, kind)
            assert not differs[:, [role not in one.positions for role in case.roles]].any()
            assert {*one.sites} <= {*case.roles}


@every_task
def test_counterfactuals_of_training_rows_are_training_rows_and_others_are_none(made, name):
    task, data, cases = made(name)
    if task.kind.startswith("in_context"):
        pytest.skip("prompts are drawn anew for every row")
    train = {
        split: {tuple(row[:length]) for row, length in zip(rows.tokens.tolist(), rows.lengths, strict=True)}
        for split, rows in data.train_splits().items()
    }
    for case in cases:
        for one in case.counterfactuals.values():
            questions = {tuple(row) for row in one.tokens.tolist()}
            if case.split in train:
                assert questions <= train[case.split]
            else:
                assert not questions & set().union(*train.values())


@every_task
def test_targets_stand_among_their_candidates_and_the_answer_comes_first(made, name):
    _, _, cases = made(name)
    for case in cases:
        assert case.targets[0].name == "answer"
        assert case.targets[0].position == case.roles[-1]
        assert (case.targets[0].ids == case.answers).all()
        for target in case.targets:
            assert target.position in case.roles
            assert np.isin(target.ids, target.candidates).all()
            assert (np.diff(target.candidates) > 0).all()
        assert all(len(ids) == len(case) for ids in case.groups.values())


@every_task
def test_cases_are_the_same_twice_and_others_with_another_seed(made, name):
    task, data, cases = made(name)
    again, other = (CASES[task.kind](task, data, 30, seed) for seed in (0, 1))

    def drawn(cases):
        return [[one.tokens.tolist() for one in case.counterfactuals.values()] for case in cases]

    assert drawn(again) == drawn(cases) != drawn(other)


@pytest.mark.parametrize("name", ["comparison", "complex_reasoning"])
def test_values_of_entities_are_targets_at_their_positions(made, name):
    task, data, cases = made(name)
    answer = Answers(task, data)

    for case in cases:
        if "e1" not in case.roles:
            continue
        for role, target in zip(("e1", "e2"), case.targets[1:], strict=True):
            assert (target.name, target.position) == (f"value of {role}", role)
            attributes, entities = (case.tokens[:, case.position(place)] for place in ("attr", role))
            for entity, attribute, value in zip(entities, attributes, target.ids, strict=True):
                assert answer.facts[data.vocabulary[entity], data.vocabulary[attribute]] == data.vocabulary[value]


def domains(data):
    """The atomic split of every (subject, relation)."""
    splits = data.train_splits()
    return {tuple(row[:2]): name for name in ("id_atomic", "ood_atomic") for row in splits[name].tokens.tolist()}


def test_entities_are_replaced_by_entities_of_the_same_domain(made):
    _, data, cases = made("comparison")
    domain = domains(data)

    for case in cases:
        if "e1" not in case.roles:
            continue
        for one in case.counterfactuals.values():
            before, after = case.tokens[one.rows], one.tokens
            for place in (2, 4):
                assert [domain[row[place], row[0]] for row in before] == [domain[row[place], row[0]] for row in after]


def test_each_label_changes_to_both_others(made):
    _, _, cases = made("comparison")
    case = next(case for case in cases if case.split == "test_inferred_iid")
    labels = case.targets[0].candidates.min()

    for kind in ("e1", "e2"):
        one = case.counterfactuals[kind]
        changes = {*zip((case.answers[one.rows] - labels) % 3, (one.answers - labels) % 3, strict=True)}
        assert len(changes) == 6


def test_attributes_that_change_the_token_alone_are_counted_apart(made):
    _, data, cases = made("comparison")
    case = next(case for case in cases if case.split == "test_inferred_iid")

    def relation(answers):
        return [data.vocabulary[answer].rpartition("_")[2] for answer in answers]

    for kind, alike in (("attr", False), ("attr token", True)):
        one = case.counterfactuals[kind]
        pairs = zip(relation(case.answers[one.rows]), relation(one.answers), strict=True)
        assert all((before == after) == alike for before, after in pairs)


def test_the_last_step_keeps_its_domain_and_bridges_are_where_the_first_step_leads(made):
    task, data, cases = made("composition")
    domain, answer = domains(data), Answers(task, data)
    number = {name: place for place, name in enumerate(data.vocabulary)}

    def bridge(head, relation):
        return number[answer(data.vocabulary[head], data.vocabulary[relation])]

    for case in cases:
        if len(case.roles) != 3:
            continue
        bridges = np.array([bridge(*row[:2]) for row in case.tokens.tolist()])
        assert case.targets[1].name == "bridge"
        assert case.targets[1].ids.tolist() == bridges.tolist()
        for kind, one in case.counterfactuals.items():
            others = np.array([bridge(*row[:2]) for row in one.tokens.tolist()])
            assert ((others == bridges[one.rows]) == (kind in ("same bridge", "r2"))).all()
            for own, other, row, new in zip(bridges[one.rows], others, case.tokens[one.rows], one.tokens, strict=True):
                assert domain[own, row[2]] == domain[other, new[2]]
        if case.split == "test_inferred_iid":  # in-domain facts abound
            assert {domain[tuple(row[:2])] for row in case.counterfactuals["semantic"].tokens.tolist()} == {"id_atomic"}
        assert case.counterfactuals["semantic"].sites == case.counterfactuals["same bridge"].sites == ("r1",)
        assert case.counterfactuals["same bridge"].specific_to == "semantic"
        assert {*case.counterfactuals["semantic"].positions} == {"h", "r1"}


def test_longer_chains_have_a_bridge_after_every_step_but_the_last(made):
    _, _, cases = made("three hops")
    case = next(case for case in cases if case.split == "test_inferred_iid")

    assert case.roles == ("h", "r1", "r2", "r3")
    assert [(target.name, target.position) for target in case.targets[1:]] == [("bridge 1", "r1"), ("bridge 2", "r2")]
    assert {"h", "r1", "r2", "r3", "semantic", "same bridge"} == {*case.counterfactuals}


@pytest.mark.parametrize("name", ["in_context", "recall"])
def test_prompts_go_on_to_ask_for_entities_that_training_asks_for_or_does_not(made, name):
    task, data, cases = made(name)
    train = data.train_splits()["train"]
    first = 2 * task.context + 1
    asked = {*train.tokens[:, first : first + task.asked].ravel().tolist()}

    for case in cases:
        for role in {"x", "y"} & {*case.counterfactuals}:
            questions = case.counterfactuals[role].tokens[:, case.position(role)].tolist()
            assert {entity in asked for entity in questions} == {case.split != "test_ood"}


@pytest.mark.parametrize("name", ["in_context", "recall", "modular", "permutations"])
def test_every_position_that_varies_has_a_counterfactual(made, name):
    _, _, cases = made(name)
    case = max(cases, key=lambda case: len(case.roles))
    changed = {role for one in case.counterfactuals.values() for role in one.positions}
    varies = {role for role, column in zip(case.roles, case.tokens.T, strict=True) if len({*column.tolist()}) > 1}

    assert changed == varies


@pytest.mark.parametrize("kind", [ComparisonTask, ComplexReasoningTask])
def test_named_facts_have_cases(tmp_path, kind):
    names = [f"city {number}" if number else "São <1>" for number in range(60)]
    lines = [
        f"{name},{attribute},{(place * 37 % 23 + 5 * shift) % 6 - 2}"
        for place, name in enumerate(names)
        for shift, attribute in enumerate(("height", "height_0"))
    ]
    (tmp_path / "facts.csv").write_text("entity,attribute,value\n" + "\n".join(lines), encoding="utf-8")
    table = read_facts(tmp_path / "facts.csv", "attributes")
    sizes = {"phi": 4} if kind is ComparisonTask else {"train_ratio": 0.06}
    task = task_over(kind(id_ratio=0.7, **sizes), table)
    grokcore.generate_dataset(task, tmp_path / "data", facts=table)
    data = open_dataset(tmp_path / "data")
    value = {
        (table.subjects[s], table.relations[r]): o
        for s, r, o in zip(table.subject, table.relation, table.object, strict=True)
    }
    number = {name: place for place, name in enumerate(data.vocabulary)}
    entity = {number[f"<e_{name.replace('<', '%3C').replace('>', '%3E')}>"]: name for name in names}
    attribute = {number["<attr_height>"]: "height", number["<attr_height%5F0>"]: "height_0"}

    cases = {case.split: case for case in CASES[task.kind](task, data, 50, 0)}

    for split in ("train_inferred", "test_inferred_iid", "test_inferred_ood"):
        case = cases[split]
        assert {"e1", "e2", "same value e1", "same value e2"} <= {*case.counterfactuals}
        for one in case.counterfactuals.values():
            for row, answer in zip(one.tokens.tolist(), one.answers.tolist(), strict=True):
                first, second = (value[entity[row[place]], attribute[row[0]]] for place in (2, 4))
                label = f"{data.vocabulary[row[0]][:-1]}_{int(np.sign(first - second)) + 1}>"
                assert data.vocabulary[answer] == label
