"""Facts from the evidences of multi-hop questions, in the layout of 2WikiMultiHopQA (arXiv 2011.01060)."""

import json

import pytest

import grokcore
from examples.real.augment import main as augment
from grokcore.data import generate_dataset, open_dataset, read_facts, task_over
from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, CompositionTask
from tests.support.checks import refusal

QUESTIONS = [
    {
        "_id": "1",
        "type": "compositional",
        "question": "When was the director of film A born?",
        "supporting_facts": [["Film A", 0], ["Ann", 1]],
        "evidences": [["Film A", "director", "Ann"], ["Ann", "date of birth", "5 March 1990"]],
        "answer": "5 March 1990",
    },
    {
        "_id": "2",
        "type": "comparison",
        "question": "Who was born first, Ann or Bob?",
        "evidences": [["Ann", "date of birth", "March 5, 1990"], ["Bob", "date of birth", "31 December 1889"]],
    },
    {"_id": "3", "evidences": [["Film B", "director", "Ann"], ["Film B", "director", "Bob"], ["Cid", "born", "1990"]]},
    {"_id": "4", "evidences": [["Ann", "mother", " Bob "], ["Cid", "date of birth", "July 1990"]]},
    {"_id": "5", "evidences": [["Bob", "flew", "Boeing 747"]]},
]


@pytest.fixture
def file(tmp_path):
    def write(document):
        path = tmp_path / "dev.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def triples(table):
    return {
        (table.subjects[s], table.relations[r], table.objects[o])
        for s, r, o in zip(table.subject, table.relation, table.object, strict=True)
    }


def test_objects_that_are_entities_become_relations_and_those_of_two_directors_are_left_out(file):
    found = triples(read_facts(file(QUESTIONS), "relations"))
    assert found == {("Film A", "director", "Ann"), ("Ann", "mother", "Bob"), ("Bob", "flew", "Boeing 747")}


def test_days_become_values_in_their_order_however_they_are_written(file):
    table = read_facts(file(QUESTIONS), "attributes")
    assert triples(table) == {("Ann", "date of birth", "1990-03-05"), ("Bob", "date of birth", "1889-12-31")}
    assert table.objects == ("1889-12-31", "1990-03-05")


def test_days_that_contradict_each_other_and_days_that_there_are_not_are_left_out(file):
    evidences = [
        ["Ann", "died", "1 May 1990"],
        ["Ann", "died", "2 May 1990"],
        ["Bob", "died", "31 June 1990"],
        ["Cid", "died", "1 June 1990"],
        ["Dee", "died", "2 June 1990"],
    ]
    found = triples(read_facts(file([{"evidences": evidences}]), "attributes"))
    assert found == {("Cid", "died", "1990-06-01"), ("Dee", "died", "1990-06-02")}


def people(count):
    """Questions about people who know each other, of the two kinds."""
    for number in range(count):
        name, day = f"person {number}", f"{number % 28 + 1} May {1900 + number * 7 % 50}"
        known = [[name, verb, f"person {(number * step + 1) % count}"] for verb, step in (("knows", 3), ("likes", 7))]
        yield {"type": "bridge_comparison", "evidences": [*known, [name, "date of birth", day]]}


@pytest.mark.parametrize(
    "task", [ComparisonTask(phi=3), CompositionTask(phi=0.8, ood_ratio=0.2, test_ratio=0.2)], ids=lambda task: task.kind
)
def test_a_file_of_questions_becomes_a_dataset_of_either_kind(task, file, tmp_path):
    kind = "attributes" if task.kind == "comparison" else "relations"
    facts = read_facts(file(list(people(60))), kind)
    generate_dataset(task_over(task, facts), tmp_path / "data", facts=facts)
    dataset = open_dataset(tmp_path / "data")
    assert "<e_person 7>" in dataset.vocabulary
    assert set(dataset.info.with_role("held_out")) == {"test_inferred_iid", "test_inferred_ood"}
    assert triples(read_facts(tmp_path / "data" / "facts.csv", kind)) == triples(facts)


def test_evidences_are_augmented_trained_on_and_asked_for_end_to_end(file, tmp_path, smoke_spec):
    """Held-out questions are about the file's facts alone, and their accuracy is that of a run like any other."""
    task = CompositionTask(phi=0.8, ood_ratio=0.2, test_ratio=0.2)
    facts = read_facts(file(list(people(60))), "relations")
    plain = generate_dataset(task_over(task, facts), tmp_path / "plain", facts=facts)
    augment([str(tmp_path / "plain" / "facts.csv"), str(tmp_path / "more.csv"), "--facts", "60"])
    more = read_facts(tmp_path / "more.csv", "relations")
    task = task_over(task, more)
    augmented = generate_dataset(task, tmp_path / "data", facts=more)
    assert augmented.splits["augmented_inferred"].rows > 0
    for split in task.held_out_splits:
        assert augmented.splits[split].rows == plain.splits[split].rows
    spec = smoke_spec.model_copy(update={"task": task})
    grokcore.train_model(spec, tmp_path / "data", tmp_path / "run")
    evaluation = grokcore.evaluate_model(tmp_path / "run")
    assert set(evaluation.held_out) == set(task.held_out_splits)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[{", "is not a JSON file that can be read"),
        ("[" * 100_000, "is not a JSON file that can be read"),
        ({"evidences": []}, "is not a JSON list of questions"),
        ([{"question": "Who?"}], "question 1 of .* has no list `evidences`"),
        ([{"evidences": [["Ann", "mother"]]}], "question 1 of .* has an evidence that is not three names"),
        ([{"evidences": [["Ann", "mother", "Bob"]]}], "has no evidence that leads to a date, and to one alone"),
    ],
)
def test_other_files_are_refused_in_one_line(document, message, file):
    path = file(document)
    refusal(read_facts, path, "attributes")
    with pytest.raises(InputError, match=message):
        read_facts(path, "attributes")
