"""Files of the public code of arXiv 2405.15071 become a dataset whose splits keep their meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.cli import main
from grokcore.data import generate_dataset, open_dataset, read_reference
from grokcore.errors import InputError
from grokcore.spec import load_spec
from grokcore.tasks import build_task
from tests.tasks.small_tasks import SMALL, texts

NAMES = ("train", "valid", "test", "vocab")


def read(folder: Path) -> dict[str, Any]:
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in NAMES}


def write(folder: Path, files: dict[str, Any]) -> Path:
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.json").write_text(json.dumps(files[name]))
    return folder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    generate_dataset(load_spec("smoke").task, tmp_path / "ours", format="grokked-transformer")
    return read(tmp_path / "ours")


@pytest.mark.parametrize("kind", SMALL)
def test_what_grokcore_writes_is_read_back_row_by_row(kind: str, tmp_path: Path) -> None:
    task, built = SMALL[kind], build_task(SMALL[kind])
    generate_dataset(task, tmp_path / "ours", format="grokked-transformer")
    again, data = read_reference(tmp_path / "ours")
    assert again.held_out == task.held_out_splits
    assert data.vocabulary == built.vocabulary
    known = [name for name, split in built.splits.items() if split.role != "diagnostic"]
    assert list(data.train) == list(built.train)
    assert sorted(data.probes) == sorted(known)
    for name in known:
        assert data.splits[name].role == built.splits[name].role
        assert texts(data, data.probes[name]) == texts(built, built.probes[name])
        if name in built.train:
            assert texts(data, data.train[name]) == texts(built, built.train[name])
    generate_dataset(again, tmp_path / "again", data=data, format="grokked-transformer")
    for name in NAMES:
        ours, theirs = (sorted(map(str, read(tmp_path / place)[name])) for place in ("ours", "again"))
        assert ours == theirs


def test_chance_is_that_of_the_answers_to_such_questions(files: dict[str, Any], tmp_path: Path) -> None:
    _, data = read_reference(write(tmp_path / "theirs", files))
    built = build_task(load_spec("smoke").task)
    for name, split in data.splits.items():
        assert split.chance == pytest.approx(built.splits[name].chance)
    for name in data.train:
        assert data.splits[name].majority_baseline == pytest.approx(built.splits[name].majority_baseline)
    assert data.prefixes == built.prefixes


def test_rows_without_types_as_those_of_composition_get_them_from_the_probes(tmp_path: Path) -> None:
    task = SMALL["composition"].model_copy(update={"probe_size": 100})
    generate_dataset(task, tmp_path / "ours", format="grokked-transformer")
    files = read(tmp_path / "ours")
    for name in ("train", "valid"):
        files[name] = [{key: row[key] for key in ("input_text", "target_text")} for row in files[name]]
    typed, untyped = read_reference(tmp_path / "ours"), read_reference(write(tmp_path / "theirs", files))
    assert {name: len(rows) for name, rows in untyped[1].train.items()} == {
        name: len(rows) for name, rows in typed[1].train.items()
    }
    assert untyped[0].held_out == typed[0].held_out


def test_the_answer_may_follow_a_token_that_the_question_lacks(files: dict[str, Any], tmp_path: Path) -> None:
    """The public complex_reasoning has it, and values in test.json that training never states."""
    for name in ("train", "valid", "test"):
        for row in files[name]:
            answer = row["target_text"].removeprefix(row["input_text"])
            row["target_text"] = row["input_text"] + "<a>" + answer
    files["train"] = [row for row in files["train"] if row["type"] != "ood_atomic"]
    _, data = read_reference(write(tmp_path / "theirs", files))
    assert data.splits["ood_atomic"].role == "diagnostic"
    question, _ = texts(data, data.probes["test_inferred_ood"])[0]
    assert question[-1] == "<a>"


def test_the_identity_is_that_of_the_content(files: dict[str, Any], tmp_path: Path) -> None:
    first, _ = read_reference(write(tmp_path / "one", files))
    for name in NAMES:
        (tmp_path / f"one/{name}.json").write_text(json.dumps(files[name], indent=3))
    assert read_reference(tmp_path / "one")[0] == first
    files["train"] = files["train"][:-1]
    files["test"] = [row for row in files["test"] if row["type"] != "train_inferred"]
    assert read_reference(write(tmp_path / "other", files))[0].rows != first.rows


def test_it_trains_and_is_evaluated_like_any_other(
    files: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "theirs", files)
    assert main(["generate", "smoke", "--from", "theirs", "--out", "data"]) == 0
    capsys.readouterr()
    assert main(["spec", "smoke", "--data", "data"]) == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out)
    assert f"on the dataset {open_dataset('data').info.id}" in load_spec("mine.yaml").description
    assert main(["train", "mine.yaml", "--data", "data", "--out", "run", "--set", "training.max_steps=5"]) == 0
    evaluation = grokcore.evaluate_model("run")
    assert set(evaluation.held_out) == {"test_inferred_iid", "test_inferred_ood"}
    assert main(["report", "run", "--out", "report.html"]) == 0
    capsys.readouterr()
    assert main(["analyze", "run"]) == 2
    assert "has no cases" in capsys.readouterr().err
    assert main(["generate", "mine.yaml", "--out", "elsewhere"]) == 2
    assert "--from DIR" in capsys.readouterr().err
    assert open_dataset("data").info.task["kind"] == "grokked_transformer"


def repeated(files: dict[str, Any]) -> None:
    files["train"].append(files["train"][0])


def leaking(files: dict[str, Any]) -> None:
    files["train"] += [{**row, "type": "train_inferred"} for row in files["valid"][:3]]


def contradicting(files: dict[str, Any]) -> None:
    row = next(row for row in files["train"] if row["type"] == "id_atomic")
    other = next(one for one in ("<0>", "<1>") if f"{one}</a>" not in row["target_text"])
    files["train"].append({**row, "target_text": row["input_text"] + other + "</a>", "type": "ood_atomic"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (repeated, "asks 1 of its 65 questions of type id_atomic more than once"),
        (leaking, "leaks: training has 3 of the 100 questions of test_inferred_ood in test.json"),
        (contradicting, "contradicts itself"),
        (lambda files: files["train"][7].update(type="foo"), r"row 8 of .*train.json has the unknown type 'foo'"),
        (lambda files: files["train"][0].update(type="test_inferred_iid"), "which is held out"),
        (lambda files: files["vocab"].remove("<e_3>"), "has the token '<e_3>', which vocab.json has not"),
        (lambda files: files["vocab"].append("<e_3>"), "has the token '<e_3>' twice"),
        (lambda files: files["vocab"].append("e_99"), "between < and >"),
        (lambda files: files["vocab"].remove("</a>"), "has no </a>"),
        (lambda files: files["valid"].append(files["train"][0]), "has 1 of 101 rows that test.json does not have"),
        (lambda files: files["test"][0].pop("type"), "has no type, which names its split"),
        (lambda files: files["test"][0].update(target_text=5), "has no texts input_text and target_text"),
        (lambda files: files["test"][0].update(target_text="<e_3></a>"), "has a target that is not input_text"),
        (lambda files: files["test"][0].update(input_text="e_3"), "is not made of tokens"),
        (lambda files: files.update(train={}), "is not a JSON list of rows"),
        (lambda files: files.update(train=[3]), "has no texts"),
        (lambda files: files.update(vocab=[3]), "is not a JSON list of tokens"),
        (lambda files: files.update(test=[row for row in files["test"] if "test" not in row["type"]]), "no held-out"),
    ],
)
def test_wrong_files_are_refused_in_one_line(
    change: Callable[[dict[str, Any]], None], message: str, files: dict[str, Any], tmp_path: Path
) -> None:
    change(files)
    with pytest.raises(InputError, match=message) as caught:
        read_reference(write(tmp_path / "theirs", files))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[{", b"\xff\xfe", b"[" * 100_000, b'[{"type": 1, "type": 2}]'])
def test_a_hostile_file_is_refused_in_one_line(
    content: bytes, files: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "theirs", files)
    (tmp_path / "theirs/train.json").write_bytes(content)
    assert main(["generate", "smoke", "--from", str(tmp_path / "theirs"), "--out", str(tmp_path / "data")]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "train.json" in error
    assert not (tmp_path / "data").exists()


def test_a_file_beyond_all_bounds_is_not_read(files: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path / "theirs", files)
    with (tmp_path / "theirs/train.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="are read"):
        read_reference(tmp_path / "theirs")


def test_a_folder_without_the_files_and_fields_of_the_task_are_refused(
    files: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["generate", "smoke", "--from", str(tmp_path / "empty"), "--out", str(tmp_path / "data")]) == 2
    assert "has no train.json" in capsys.readouterr().err
    theirs = write(tmp_path / "theirs", files)
    more = ["--set", "task.phi=3"]
    assert main(["generate", "smoke", "--from", str(theirs), "--out", str(tmp_path / "data"), *more]) == 2
    assert "leave out --set task.phi=3" in capsys.readouterr().err
