"""Facts of a user's own that are augmented by others: more is inferred from each, and the same is asked."""

from __future__ import annotations

import pytest

from grokcore.data import generate_dataset, open_dataset, read_facts, task_over
from grokcore.errors import InputError
from grokcore.spec import CompositionTask, dataset_id
from grokcore.tasks import build_task
from tests.support.checks import refusal
from tests.tasks.small_tasks import ALL, texts

PEOPLE = [f"person {number}" for number in range(30)]
GIVEN = [
    (name, relation, PEOPLE[(number * step + 1) % 30])
    for number, name in enumerate(PEOPLE)
    for relation, step in (("mother", 3), ("friend", 7), ("boss", 11))
]
ELSEWHERE = [*PEOPLE, "nobody", "another"]
FURTHER = [(name, "a drawn one", ELSEWHERE[(number * 19 + 5) % 32]) for number, name in enumerate(PEOPLE[:20])]
TASK = CompositionTask(phi=1.2, ood_ratio=0.2, test_ratio=0.2, probe_size=ALL)


@pytest.fixture
def file(tmp_path):
    def write(further=(), given=GIVEN, header="subject,relation,object,augmented"):
        lines = [header, *(",".join((*fact, "0")) for fact in given), *(",".join((*fact, "1")) for fact in further)]
        path = tmp_path / "facts.csv"
        path.write_text("\n".join(lines), "utf-8")
        return path

    return write


def built(path, **fields):
    facts = read_facts(path, "relations")
    return build_task(task_over(TASK.model_copy(update=fields), facts), facts)


def split_texts(data):
    """The rows of every split as text: training rows in full, probes of all others, which are full, too."""
    return {split: texts(data, data.train.get(split, data.probes[split])) for split in data.splits}


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_augmented_facts_change_no_row_of_any_other_split(share, file):
    plain, augmented = split_texts(built(file())), split_texts(built(file(FURTHER), augmented_share=share))
    added = {"augmented_atomic"} | ({"augmented_inferred"} if share else set())
    assert augmented.keys() - plain.keys() == added
    assert {split: augmented[split] for split in plain} == plain


def test_training_composes_every_path_over_an_augmented_fact_and_no_ood_fact(file):
    rows = split_texts(built(file(FURTHER)))
    tail = {question: answer for split in ("id_atomic", "augmented_atomic") for question, answer in rows[split]}
    marked = {question for question, _ in rows["augmented_atomic"]}
    paths = [
        (head, first, second, (head, first), (bridge, second))
        for (head, first), bridge in tail.items()
        for (other, second) in tail
        if other == bridge
    ]
    wanted = {
        ((head, first, second), tail[onward]) for head, first, second, one, onward in paths if {one, onward} & marked
    }
    assert len(wanted) > 50
    assert len(rows["augmented_inferred"]) == len(wanted)
    assert set(rows["augmented_inferred"]) == wanted


def test_no_held_out_question_is_trained_on_or_about_an_augmented_fact(file):
    rows = split_texts(built(file(FURTHER)))
    held_out = {question for split in rows if split.startswith("test_") for question, _ in rows[split]}
    trained = {question for split in rows if not split.startswith("test_") for question, _ in rows[split]}
    assert held_out
    assert not held_out & trained
    assert not any("<r_a drawn one>" in question for question in held_out)


def test_a_larger_share_only_adds_rows(file):
    parts = [
        set(split_texts(built(file(FURTHER), augmented_share=share))["augmented_inferred"]) for share in (0.3, 0.7, 1)
    ]
    assert parts[0] < parts[1] < parts[2]


def test_the_mark_is_part_of_what_names_the_facts_and_is_read_back(file, tmp_path):
    plain = read_facts(file(given=[*GIVEN, *FURTHER]), "relations")
    marked = read_facts(file(FURTHER), "relations")
    without_column = [line.rpartition(",")[0] for line in file(given=[*GIVEN, *FURTHER]).read_text().splitlines()]
    (tmp_path / "three.csv").write_text("\n".join(without_column))
    assert plain.sha256 == read_facts(tmp_path / "three.csv", "relations").sha256 != marked.sha256
    task = task_over(TASK, marked)
    generate_dataset(task, tmp_path / "data", facts=marked)
    assert read_facts(tmp_path / "data" / "facts.csv", "relations").sha256 == marked.sha256
    assert open_dataset(tmp_path / "data", dataset_id(task)).info.splits["augmented_inferred"].role == "train"


def test_a_fact_that_is_stated_as_given_and_as_augmented_is_given(file):
    twice = read_facts(file([*FURTHER, *GIVEN[:40]]), "relations")
    assert twice.sha256 == read_facts(file(FURTHER), "relations").sha256


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("s,a,1,yes", "has 'yes' in the column augmented: write 1 for an augmented fact, else 0"),
        ("s,a,1,1", "has augmented facts, which only composition takes"),
    ],
)
def test_other_marks_and_augmented_values_are_refused_in_one_line(written, message, tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text(f"entity,attribute,value,augmented\n{written}\nt,a,2,0\n")
    assert message in refusal(read_facts, path, "attributes")


def test_a_task_of_augmented_facts_alone_or_a_share_of_drawn_facts_is_refused(file):
    with pytest.raises(InputError, match="all facts are augmented"):
        built(file(GIVEN, given=[]))
    with pytest.raises(ValueError, match="augmented_share is about facts of a file"):
        CompositionTask(augmented_share=0.5)
