import json
import re

import pytest

from grokcore.data import generate_dataset
from grokcore.tasks import build_task
from tests.tasks.small_tasks import SMALL, texts


@pytest.fixture(params=SMALL)
def written(request, tmp_path):
    task = SMALL[request.param]
    generate_dataset(task, tmp_path / "data", format="grokked-transformer")
    files = {path.stem: json.loads(path.read_text("utf-8")) for path in (tmp_path / "data").glob("*.json")}
    return task, build_task(task), files


def test_there_are_the_four_files_and_what_grokcore_says_of_them(written):
    assert set(written[2]) == {"train", "valid", "test", "vocab", "dataset"}


def test_rows_are_text_made_of_the_vocabulary(written):
    _, data, files = written
    assert files["vocab"] == list(data.vocabulary)
    for row in files["train"] + files["valid"] + files["test"]:
        assert list(row) == ["input_text", "target_text", "type"]
        assert row["target_text"].startswith(row["input_text"])
        answer = row["target_text"].removeprefix(row["input_text"])
        assert len(re.findall("<[^>]+>", answer)) == 2
        assert answer.endswith("</a>")
        assert set(re.findall("<[^>]+>", row["target_text"])) <= set(data.vocabulary)


def test_rows_are_those_of_the_task(written):
    _, data, files = written

    def expected(splits):
        return [
            ("".join(question), answer + "</a>", name)
            for name, rows in splits.items()
            for question, answer in texts(data, rows)
        ]

    def found(file):
        return [(r["input_text"], r["target_text"].removeprefix(r["input_text"]), r["type"]) for r in files[file]]

    assert found("train") == expected(data.train)
    known = {name: rows for name, rows in data.probes.items() if data.splits[name].role != "diagnostic"}
    assert found("test") == expected(known)
    target = written[0].held_out_splits[-1]
    assert found("valid") == expected({target: data.probes[target]})


def test_a_comparison_reads_as_in_the_reference(tmp_path):
    generate_dataset(SMALL["comparison"], tmp_path / "data", format="grokked-transformer")
    rows = json.loads((tmp_path / "data/train.json").read_text())
    atomic = r"(<e_\d+><attr_\d+>)<\d+></a>"
    inferred = r"(<attr_(\d+)><q><e_\d+><mask><e_\d+>)<attr_\2_[012]></a>"
    for row in rows:
        pattern = inferred if row["type"] == "train_inferred" else atomic
        match = re.fullmatch(pattern, row["target_text"])
        assert match
        assert match[1] == row["input_text"]
    assert {row["type"] for row in rows} == {"id_atomic", "ood_atomic", "train_inferred"}
