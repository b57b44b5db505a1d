"""Every way in which a run cannot be reported ends in one line that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.reporting import build_report, read_runs
from tests.reporting.synthetic_runs import Recipe
from tests.support.checks import refusal

Write = Callable[..., Path]
LINE = '{"step":1,"train":{},"splits":{"a":{"accuracy":0.5}},"phases":{},"clock":{}}\n'


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_run_without_evaluation_names_the_command_that_makes_one(run: Write) -> None:
    directory = run()
    (directory / "evaluation.json").unlink()
    assert f"grokcore evaluate {directory}" in refusal(read_runs, [directory])


def test_a_directory_that_is_no_run_says_so(tmp_path: Path) -> None:
    assert "is no run directory" in refusal(read_runs, [tmp_path])
    assert "is no run directory" in refusal(read_runs, [tmp_path / "absent"])


def test_no_runs_at_all_are_refused() -> None:
    assert "at least one run" in refusal(read_runs, [])


def test_a_single_path_in_place_of_a_list_is_refused(run: Write) -> None:
    assert "lists" in refusal(read_runs, str(run()))


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("evaluation.json", "{", "not valid JSON"),
        ("evaluation.json", "[]", "evaluation.json is damaged"),
        ("evaluation.json", '{"format": 2}', "format"),
        ("manifest.json", "null", "manifest.json is damaged"),
        ("manifest.json", '{"format": 1}', "run_id"),
        ("manifest.json", '{"name": "\\ud800 alone"}', "half of a character"),
        ("metrics.jsonl", "", "holds no evaluation yet"),
        ("metrics.jsonl", LINE.replace("0.5", '"high"'), "accuracy"),
        ("metrics.jsonl", LINE.replace("0.5", "NaN"), "finite"),
        ("metrics.jsonl", LINE.replace('"step":1', '"step":-1'), "step"),
        ("metrics.jsonl", 'x\n{"step": 1}\n', "line 1"),
        ("spec.yaml", "name: [", "spec.yaml is not valid YAML"),
        ("spec.yaml", "just words", "spec.yaml is no mapping"),
    ],
)
def test_a_damaged_file_is_named(run: Write, file: str, content: str, part: str) -> None:
    directory = run()
    (directory / file).write_text(content)
    message = refusal(read_runs, [directory])
    assert part in message
    assert file in message


@pytest.mark.parametrize("file", ["spec.yaml", "metrics.jsonl"])
def test_a_missing_file_is_named(run: Write, file: str) -> None:
    directory = run()
    (directory / file).unlink()
    assert file in refusal(read_runs, [directory])


def test_an_evaluation_of_another_run_is_refused(run: Write) -> None:
    first, second = run("first"), run("second")
    message = refusal(read_runs, [first], evaluations=[second / "evaluation.json"])
    assert Recipe(name="second").run_id in message
    assert Recipe(name="first").run_id in message


def test_evaluations_may_lie_elsewhere_in_the_same_order(run: Write, tmp_path: Path) -> None:
    runs = [run("first"), run("second")]
    places = []
    for number, directory in enumerate(runs):
        places.append((directory / "evaluation.json").rename(tmp_path / f"evaluation-{number}.json"))
    assert [view.label for view in read_runs(runs, places)] == ["first", "second"]
    assert "2 runs and 1 evaluations" in refusal(read_runs, runs, evaluations=places[:1])


def test_fields_of_a_later_version_are_no_damage(run: Write) -> None:
    directory = run()
    change(directory / "evaluation.json", surprise=1)
    change(directory / "manifest.json", surprise=1)
    assert read_runs([directory])


def test_runs_of_one_name_are_told_apart_by_what_differs(run: Write) -> None:
    views = read_runs([run("sweep", seed=0), run("sweep", seed=1), run("other")])
    assert [view.label for view in views] == ["sweep · seed 0", "sweep · seed 1", "other"]


def test_the_same_run_twice_still_has_two_labels(run: Write) -> None:
    directory = run()
    first, second = read_runs([directory, directory])
    assert first.label != second.label


def test_an_unwritable_place_is_refused_and_nothing_is_left_behind(run: Write, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    for place in (file / "report.html", tmp_path):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(InputError, match="cannot write"):
            build_report([run()], place)
        assert [path for path in sorted(tmp_path.iterdir()) if path.name != "runs"] == [
            path for path in before if path.name != "runs"
        ]


def test_a_failed_report_leaves_the_old_one_in_place(run: Write, tmp_path: Path) -> None:
    directory, out = run(), tmp_path / "report.html"
    out.write_text("old")
    (directory / "evaluation.json").unlink()
    with pytest.raises(InputError):
        build_report([directory], out)
    assert out.read_text() == "old"
