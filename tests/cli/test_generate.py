"""`grokcore generate`, and `grokcore spec --data`, as a person with facts of their own uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.spec import load_spec

PARTS = ("--set", "task.phi=4", "--set", "task.id_ratio=0.8")


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    rows = [f"island {number},area,{number * 7 % 5}" for number in range(30)]
    path = tmp_path / "islands.csv"
    path.write_text("\n".join(["entity,attribute,value", *rows]))
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("grokcore: ")
    return line


def test_every_split_is_told_with_size_chance_and_majority_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "smoke", "--out", str(tmp_path / "data")]) == 0
    told = capsys.readouterr().out
    for name, split in json.loads((tmp_path / "data/dataset.json").read_text())["splits"].items():
        line = next(line for line in told.splitlines() if line.split()[:1] == [name])
        assert f"{split['rows']:,} rows" in line
        assert f"chance {split['chance']:.3f}" in line
        assert f"majority baseline {split['majority_baseline']:.3f}" in line


def test_facts_become_a_data_set_and_the_next_commands_train_on_it(
    facts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, mine = str(tmp_path / "data"), tmp_path / "mine.yaml"
    assert main(["generate", "smoke", "--from", str(facts), "--out", data, *PARTS]) == 0
    told = capsys.readouterr()
    assert "facts: 30, entities: 30, attributes: 1" in told.err
    assert f"next: grokcore spec smoke --data {data} > mine.yaml" in told.out
    assert f"grokcore train mine.yaml --data {data}" in told.out

    assert main(["spec", "smoke", "--data", data, "--set", "training.max_steps=3"]) == 0
    mine.write_text(capsys.readouterr().out)
    spec = load_spec(str(mine))
    assert (spec.task.kind, spec.task.entities, spec.task.phi) == ("comparison", 30, 4)
    assert spec.dataset_id == json.loads((tmp_path / "data/dataset.json").read_text())["id"]
    assert spec.training.max_steps == 3
    assert main(["train", str(mine), "--data", data, "--out", str(tmp_path / "run")]) == 0


def test_training_on_facts_with_a_spec_that_does_not_name_them_says_how_to_get_one_that_does(
    facts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "data")
    main(["generate", "smoke", "--from", str(facts), "--out", data, *PARTS])
    line = refused(capsys, "train", "smoke", "--data", data, "--out", tmp_path / "run")
    assert f"write a spec for it with `grokcore spec SPEC --data {data}`" in line


def test_the_kept_facts_make_the_same_data_set_again(facts: Path, tmp_path: Path) -> None:
    main(["generate", "smoke", "--from", str(facts), "--out", str(tmp_path / "one"), *PARTS])
    kept = str(tmp_path / "one/facts.csv")
    assert main(["generate", "smoke", "--from", kept, "--out", str(tmp_path / "two"), *PARTS]) == 0
    assert (tmp_path / "one/dataset.json").read_bytes() == (tmp_path / "two/dataset.json").read_bytes()


def test_what_cannot_be_is_refused_in_one_line(facts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate = ("generate", "smoke", "--from", facts, "--out", tmp_path / "data")
    assert "task.entities follows from the facts" in refused(capsys, *generate, "--set", "task.entities=9")
    assert "task.phi: " in refused(capsys, *generate, "--set", "task.phi=-1")
    assert "lower phi to at most" in refused(capsys, *generate, "--set", "task.phi=1000")
    assert "smoke cannot be made" not in refused(capsys, *generate, "--set", "task.color=red")
    line = refused(capsys, "generate", "modular", "--from", facts, "--out", tmp_path / "data")
    assert "modular cannot be made from facts: choose one of comparison, composition" in line
    line = refused(capsys, *generate, "--set", "task.kind=in_context")
    assert "in_context cannot be made from facts" in line
    assert "there is no file" in refused(capsys, "generate", "smoke", "--from", "absent.csv", "--out", tmp_path / "d")
    line = refused(capsys, *generate, "--set", "task.kind=composition")
    assert "and no relations between entities" in line
    assert "take a preset of comparison such as demo" in line
    assert not (tmp_path / "data").exists()


def test_a_spec_takes_its_task_from_the_data_or_from_the_command_line_but_not_both(
    smoke_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, "spec", "modular", "--data", smoke_data, "--set", "task.seed=1")
    assert "the task comes from the dataset" in line
    assert "there is no dataset" in refused(capsys, "spec", "smoke", "--data", tmp_path / "absent")
    line = refused(capsys, "spec", "modular", "--data", smoke_data)
    assert "stop_on_grok.split=test is not a held-out split of comparison" in line


def test_a_split_too_small_for_the_threshold_is_remarked_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--set", "task.probe_size=13", "--set", "evaluation.threshold=.97")
    assert main(["generate", "smoke", *few, "--out", str(tmp_path / "few")]) == 0
    assert "test_inferred_ood has 13 examples: one is worth .077 of its accuracy" in capsys.readouterr().err
    assert main(["generate", "smoke", "--out", str(tmp_path / "enough")]) == 0
    assert "examples" not in capsys.readouterr().err
