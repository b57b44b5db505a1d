"""A user's own facts: read, checked, kept, and named by their content."""

import json
import re
from datetime import date

import numpy as np
import pandas
import pytest

from grokcore.data import generate_dataset, open_dataset, read_facts, task_over
from grokcore.data.info import FACTS_FILE
from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, ComplexReasoningTask, CompositionTask, ModularTask, dataset_id
from grokcore.storage import sha256
from grokcore.tasks import build_task
from tests.support.checks import refusal
from tests.tasks.small_tasks import ALL, texts

PEOPLE = [f"person {number}" for number in range(40)]
AGES = "entity,attribute,value\n" + "".join(
    f"{name},{attribute},{(number * step) % 7}\n"
    for number, name in enumerate(PEOPLE)
    for attribute, step in (("age", 3), ("size", 5))
)
FACTS = [line.split(",") for line in AGES.splitlines()[1:]]
KIN = "subject,relation,object\n" + "".join(
    f"{name},{relation},{PEOPLE[(number * step + 1) % 40]}\n"
    for number, name in enumerate(PEOPLE)
    for relation, step in (("mother", 3), ("friend", 7), ("boss", 11), ("idol", 13))
)
COMPARISON = ComparisonTask(phi=5, probe_size=ALL)
COMPOSITION = CompositionTask(phi=2, ood_ratio=0.2, test_ratio=0.1, probe_size=ALL)


@pytest.fixture
def file(tmp_path):
    def write(text, name="facts.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def triples(table):
    return {
        (table.subjects[s], table.relations[r], table.objects[o])
        for s, r, o in zip(table.subject, table.relation, table.object, strict=True)
    }


def refused(path, kind="attributes"):
    line = refusal(read_facts, path, kind)
    assert len(line) < 400
    return line


def test_facts_are_read_under_their_own_names(file):
    table = read_facts(file(AGES), "attributes")
    assert table.relations == ("age", "size")
    assert table.objects == tuple("0123456")
    assert len(table) == 80
    assert ("person 2", "age", "6") in triples(table)


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("beginning", ["", "\ufeff"])
def test_other_delimiters_names_orders_and_further_columns_give_the_same_facts(file, delimiter, beginning):
    rows = [["note", "Relation", "OBJECT", " subject "]]
    rows += [[f'"a {delimiter} b"', attribute, value, f" {entity} "] for entity, attribute, value in FACTS]
    text = beginning + "".join(delimiter.join(row) + "\r\n" for row in rows)
    assert read_facts(file(text), "attributes").sha256 == read_facts(file(AGES), "attributes").sha256


def test_order_and_repetition_of_rows_do_not_change_the_facts(file):
    header, *rows = AGES.splitlines()
    again = "\n".join([header, *rows[::-1], *rows[:5]])
    assert read_facts(file(again), "attributes").sha256 == read_facts(file(AGES), "attributes").sha256


def test_parquet_with_numbers_and_dates_reads_as_csv_does(tmp_path, file):
    frame = pandas.DataFrame(
        {"entity": PEOPLE, "attribute": "born", "value": [date(1950, 1, 1 + n % 9) for n in range(40)]}
    )
    frame.to_parquet(tmp_path / "born.parquet")
    text = "entity,attribute,value\n" + "".join(f"{e},{a},{v}\n" for e, a, v in frame.itertuples(index=False))
    table = read_facts(f"file://{tmp_path}/born.parquet", "attributes")
    assert table.sha256 == read_facts(file(text), "attributes").sha256
    assert table.objects == tuple(f"1950-01-0{day}" for day in range(1, 10))
    numbers = pandas.DataFrame({"entity": PEOPLE, "attribute": "age", "value": np.arange(40) / 2})
    numbers.to_parquet(tmp_path / "age.parquet")
    assert read_facts(tmp_path / "age.parquet", "attributes").objects[:4] == ("0", "0.5", "1", "1.5")


def test_values_are_ordered_as_numbers_and_dates_not_as_text(file):
    values = ["10", "9", "1e2", "-3", "0.50", ".5", "007", "1000000"]
    text = "entity,attribute,value\n" + "".join(f"e{n},a,{value}\n" for n, value in enumerate(values))
    table = read_facts(file(text), "attributes")
    assert table.objects == ("-3", "0.5", "7", "9", "10", "100", "1000000")
    assert table.object.tolist() == [4, 3, 5, 0, 1, 1, 2, 6]


def test_names_are_united_where_they_are_one(file):
    text = "subject,relation,object\nCafe\u0301,r,b\nCaf\u00e9 ,s,b\nb,r,Café\n"
    table = read_facts(file(text), "relations")
    assert table.subjects == table.objects == ("Café", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs subject, relation, object or entity, attribute, value; it has none"),
        ("entity,attribute,value\n", "has no facts"),
        ("entity,attribute\na,b\n", "has no column value or object"),
        ("entity,subject,attribute,value\na,a,b,1\n", "has 2 columns entity or subject"),
        ("entity,attribute,value\na,b,1\na,,2\n", "row 2 of .* has no attribute or relation"),
        ("entity,attribute,value\na,b,1\na,c, \n", "row 2 of .* has no value or object"),
        ("entity,attribute,value\na,b,1\na,b,2\n", "'b' of 'a' is both '1' and '2'; keep one"),
        ("entity,attribute,value\na,size,large\nb,size,small\n", "'size' the value 'large', which is neither a number"),
        ("entity,attribute,value\na,b,nan\nb,b,1\n", "'nan', which is neither a number nor a date"),
        ("entity,attribute,value\na,b,1\nb,b,2020-01-01\n", "both numbers and dates"),
        ("entity,attribute,value\na,b,1\nb,b,1.0\n", "'b' no value but '1': comparing needs two or more"),
        ("entity,attribute,value\na,b,1,5\n", "cannot be read as facts: CSV parse error"),
        (b"entity,attribute,value\n\xff,b,1\n", "neither Parquet nor CSV in UTF-8|cannot be read as facts"),
        (b"\x00\x01\x02\xff" * 100, "neither Parquet nor CSV in UTF-8"),
        (b"PAR1" + b"\x00" * 100, "cannot be read as facts"),
    ],
)
def test_a_bad_file_gets_one_line(file, text, message):
    assert re.search(message, refused(file(text)))


def test_contradicting_relations_are_refused(file):
    line = refused(file("subject,relation,object\nAda,mother,Bea\nAda,mother,Cleo\n"), "relations")
    assert "'mother' of 'Ada' is both 'Bea' and 'Cleo'; keep one of them" in line


def test_absent_files_and_folders_are_refused(tmp_path):
    assert "there is no file" in refused(tmp_path / "absent.csv")
    assert "is not a file" in refused(tmp_path)


def test_too_many_facts_are_refused_before_they_are_used(file, tmp_path, monkeypatch):
    monkeypatch.setattr("grokcore.data.facts.MAX_FACTS", 10)
    assert "has 80 facts: at most 10 fit" in refused(file(AGES))
    pandas.DataFrame({"entity": PEOPLE, "attribute": "a", "value": 1}).to_parquet(tmp_path / "f.parquet")
    assert "has 40 facts: at most 10 fit" in refused(tmp_path / "f.parquet")
    monkeypatch.setattr("grokcore.data.facts.MAX_BYTES", 10)
    assert "facts may take up to" in refused(file(AGES))


def test_a_task_over_facts_takes_its_counts_from_them(file):
    table = read_facts(file(AGES), "attributes")
    task = task_over(COMPARISON, table)
    assert (task.entities, task.attributes, task.values, task.facts) == (40, 2, 7, table.sha256)
    assert task.phi == COMPARISON.phi
    assert dataset_id(task) != dataset_id(task.model_copy(update={"facts": None}))
    table = read_facts(file(KIN), "relations")
    task = task_over(COMPOSITION, table)
    assert (task.entities, task.relations, task.out_degree) == (40, 4, 4)


@pytest.mark.parametrize("task", [ModularTask(), COMPOSITION], ids=lambda task: task.kind)
def test_a_task_that_such_facts_do_not_make_is_refused(file, task):
    with pytest.raises(InputError, match=r"cannot be made from attributes; .* comparison, composition"):
        task_over(task, read_facts(file(AGES), "attributes"))


@pytest.mark.parametrize("layout", ["grokcore", "grokked-transformer"])
def test_the_facts_are_kept_and_their_hash_is_what_the_task_names(file, tmp_path, layout):
    table = read_facts(file(AGES), "attributes")
    task = task_over(COMPARISON, table)
    info = generate_dataset(task, tmp_path / "data", facts=table, format=layout)
    assert sha256(tmp_path / "data" / FACTS_FILE) == task.facts == info.files[FACTS_FILE].sha256
    again = read_facts(tmp_path / "data" / FACTS_FILE, "attributes")
    assert triples(again) == triples(table)
    assert task_over(COMPARISON, again) == task
    assert generate_dataset(task, tmp_path / "data", format=layout) == info  # what stands there needs no facts


def test_without_the_facts_or_with_others_nothing_is_made(file, tmp_path):
    table = read_facts(file(AGES), "attributes")
    task = task_over(COMPARISON, table)
    with pytest.raises(InputError, match="name the file with `grokcore generate SPEC --from FILE`"):
        generate_dataset(task, tmp_path / "data")
    other = read_facts(file(AGES.replace("person 0,age,0", "person 0,age,1")), "attributes")
    with pytest.raises(InputError, match="these are not the facts that the task names"):
        generate_dataset(task, tmp_path / "data", facts=other)
    assert not (tmp_path / "data").exists()


def test_facts_that_were_changed_in_a_data_set_are_noticed(file, tmp_path):
    table = read_facts(file(AGES), "attributes")
    generate_dataset(task_over(COMPARISON, table), tmp_path / "data", facts=table)
    document = json.loads((tmp_path / "data/dataset.json").read_text())
    content = (tmp_path / "data" / FACTS_FILE).read_text().replace("person 0,age,0", "person 0,age,1")
    (tmp_path / "data" / FACTS_FILE).write_text(content)
    with pytest.raises(InputError, match=r"facts\.csv does not have the SHA-256"):
        open_dataset(tmp_path / "data")
    document["files"][FACTS_FILE]["sha256"] = sha256(tmp_path / "data" / FACTS_FILE)
    (tmp_path / "data/dataset.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="names other facts than it lists"):
        open_dataset(tmp_path / "data")


def test_every_comparison_follows_from_the_facts_of_the_file_even_where_some_are_unknown(file):
    lines = AGES.splitlines()
    table = read_facts(file("\n".join(line for n, line in enumerate(lines) if n == 0 or n % 5)), "attributes")
    data = build_task(task_over(COMPARISON, table), table)
    known = {(f"<e_{e}>", f"<attr_{a}>"): int(v) for e, a, v in triples(table)}
    atomic = {}
    for split in ("id_atomic", "ood_atomic"):
        atomic |= {question: int(answer.strip("<>")) for question, answer in texts(data, data.train[split])}
    assert atomic == known
    for split in data.splits:
        for question, answer in texts(data, data.probes[split]):
            if len(question) == 5:
                attribute, _, first, _, second = question
                difference = known[first, attribute] - known[second, attribute]
                assert answer == f"{attribute[:-1]}_{int(np.sign(difference)) + 1}>"


def test_every_composition_follows_from_the_facts_of_the_file(file):
    table = read_facts(file(KIN), "relations")
    data = build_task(task_over(COMPOSITION, table), table)
    tail = {(f"<e_{s}>", f"<r_{r}>"): f"<e_{o}>" for s, r, o in triples(table)}
    for split in data.splits:
        for (entity, *relations), answer in texts(data, data.probes[split]):
            for relation in relations:
                entity = tail[entity, relation]
            assert entity == answer
    assert {"test_inferred_hop_1_ood", "test_inferred_hop_2_ood"} <= set(data.splits)


def test_complex_reasoning_is_made_from_facts_too(file):
    table = read_facts(file(AGES), "attributes")
    task = task_over(ComplexReasoningTask(id_ratio=0.7, train_ratio=0.15), table)
    data = build_task(task, table)
    assert data.splits["test_inferred_ood"].rows > 0


def test_names_become_tokens_that_stay_apart_whatever_they_hold(file):
    names = ["<a>", "%3Ca%3E", "a\nb", "a b", "x_0", "", "e_0", "mask", "名前", "<", ">"]
    rows = [(name, attribute) for name in [*names, *PEOPLE] if name for attribute in ("x", "x_0", "x%5F0", "x_3")]
    frame = pandas.DataFrame(rows, columns=["entity", "attribute"])
    frame["value"] = np.arange(len(frame)) // 4 % 5
    path = file("")
    frame.to_csv(path, index=False)
    table = read_facts(path, "attributes")
    vocabulary = build_task(task_over(COMPARISON, table), table).vocabulary
    assert len(set(vocabulary)) == len(vocabulary)
    assert all(token.isprintable() and token[0] == "<" and not set("<>") & set(token[1:-1]) for token in vocabulary)
    assert {"<e_a b>", "<e_名前>", "<attr_x>", "<attr_x_0>", "<attr_x%5F0>", "<attr_x_3>"} <= set(vocabulary)


def test_facts_that_are_too_few_for_the_splits_say_what_to_change(file):
    few = "entity,attribute,value\n" + "".join(f"e{n},a,{n}\n" for n in range(12))
    table = read_facts(file(few), "attributes")
    with pytest.raises(InputError, match="lower phi to at most"):
        build_task(task_over(ComparisonTask(phi=12.6), table), table)
    with pytest.raises(InputError, match="test_inferred_ood empty: lower id_ratio"):
        build_task(task_over(ComparisonTask(phi=1, id_ratio=0.95), table), table)
    with pytest.raises(InputError, match="do not make a task of kind complex_reasoning: entities"):
        task_over(ComplexReasoningTask(), read_facts(file(few[: few.index("e3")]), "attributes"))


def test_facts_of_the_other_kind_say_which_preset_is_meant(file):
    assert "take a preset of composition such as composition-small" in refused(file(KIN))
    assert "take a preset of comparison such as demo" in refused(file(AGES), "relations")


def test_values_of_any_size_have_an_order(file):
    rows = "".join(
        f"e{n},size,{value}\n" for n, value in enumerate(("1e999999999", "-1e999999999", "1e-999999999", "0"))
    )
    table = read_facts(file("entity,attribute,value\n" + rows), "attributes")
    assert table.objects == ("-1E+999999999", "0", "1E-999999999", "1E+999999999")


def test_advice_names_no_field_that_the_facts_decide(file):
    table = read_facts(file("\n".join(AGES.splitlines()[:21])), "attributes")
    for task in (
        ComparisonTask(phi=100, id_ratio=0.7),
        ComparisonTask(phi=0.5, id_ratio=0.95),
        ComparisonTask(phi=0.5, test_ratio=1e-6, id_ratio=0.5),
    ):
        with pytest.raises(InputError, match="state more facts") as caught:
            build_task(task_over(task, table), table)
        assert not re.search(r"entities|attributes|values", str(caught.value).rpartition(": ")[2])
    relations = read_facts(file(KIN), "relations")
    with pytest.raises(InputError, match="or state more facts") as caught:
        build_task(task_over(CompositionTask(phi=6), relations), relations)
    assert "out_degree" not in str(caught.value)
