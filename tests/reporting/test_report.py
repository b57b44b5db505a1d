"""`report` shows any run as it stands, refuses what is damaged in one line, and shows what `compare` shows."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from grokcore.claims import document
from grokcore.errors import InputError
from grokcore.reporting import build_comparison, build_report
from grokcore.reporting.page import render
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from tests.evaluation.made_up import write
from tests.reporting.conftest import Written
from tests.reporting.made_up_groups import run_of, write_all
from tests.reporting.pages import Page

LINE = (
    '{"step":1,"examples":1,"epoch":0.1,"flops":1.0,"train":{"accuracy":0.5},"splits":{"a":{"accuracy":0.5}},'
    '"phases":{"memorized":null},"clock":{"elapsed_seconds":1.0}}\n'
)
THREE_MEGABYTES = 3_000_000


def write_run(place: Path, *overrides: str, **changes: Any) -> Path:
    return write(run_of(*overrides, **changes), place)


def report(out: Path, *runs: Path, **options: Any) -> Page:
    return Page(Path(build_report(list(runs), out / "report.html", **options)).read_text("utf-8"))


def refused(runs: Any, out: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        build_report(runs, out / "refused.html", **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def without_data(html: str) -> str:
    """A page up to the section on the tables, which `compare` alone writes, without its charts."""
    body = html.split("<main>")[1].split('<section aria-labelledby="data">')[0].split("<footer>")[0]
    return re.sub(r'\s*<li><a href="#data">Data</a></li>', "", body).strip()


def test_both_commands_show_the_same_page(written: Written) -> None:
    place = written.store / "sweeps" / "report"
    place.mkdir(parents=True, exist_ok=True)
    page = Path(build_report([written.store / "runs"], place / "report.html")).read_text("utf-8")
    assert without_data(page) == without_data(written.html)


def test_one_run_is_a_group_of_one_for_both_commands(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "one")
    (tmp_path / "report").mkdir()
    page = Path(build_report([run], tmp_path / "report" / "report.html")).read_text("utf-8")
    comparison = build_comparison([run], tmp_path / "comparison")
    assert without_data(page) == without_data(Path(comparison.page).read_text("utf-8"))


def test_a_run_without_evaluation_is_told_how_to_get_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "evaluation.json").unlink()
    assert f"has no evaluation yet; make one with: grokcore evaluate {run}" in refused([run], tmp_path)


def test_a_run_that_went_on_since_its_evaluation_is_shown_up_to_its_end(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    with (run / "metrics.jsonl").open("a") as journal:
        journal.write(json.dumps({**last, "step": 2100}) + "\n")
    text = report(tmp_path, run).text
    assert "was evaluated at step 2000, but its journal ends at 2100" in text
    assert "figures are those of its journal up to step 2,100" in text


@pytest.mark.parametrize("place", ["", "absent"])
def test_a_directory_without_runs_says_so(place: str, tmp_path: Path) -> None:
    assert "is not a run: it has no manifest.json, and there is no run below it" in refused(
        [tmp_path / place], tmp_path
    )


def test_no_runs_or_a_single_path_in_place_of_a_list_are_refused(tmp_path: Path) -> None:
    assert "at least one run" in refused([], tmp_path)
    assert "lists" in refused(str(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("evaluation.json", "{", "not valid JSON"),
        ("evaluation.json", "[]", "evaluation.json is damaged"),
        ("evaluation.json", '{"format": 3}', "format"),
        ("manifest.json", "null", "manifest.json is damaged"),
        ("manifest.json", '{"format": 1}', "Field required"),
        ("manifest.json", '{"name": "\\ud800 alone"}', "half of a character"),
        ("metrics.jsonl", LINE.replace("0.5", '"high"'), "accuracy"),
        ("metrics.jsonl", LINE.replace("0.5", "NaN"), "finite"),
        ("metrics.jsonl", LINE.replace('"step":1', '"step":-1'), "step"),
        ("metrics.jsonl", 'x\n{"step": 1}\n', "line 1"),
        ("spec.yaml", "name: [", "spec.yaml is not valid YAML"),
        ("spec.yaml", "just words", "spec.yaml"),
    ],
)
def test_a_damaged_file_is_named(file: str, content: str, part: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / file).write_text(content)
    message = refused([run], tmp_path)
    assert part in message
    assert file in message


@pytest.mark.parametrize("file", ["spec.yaml", "metrics.jsonl"])
def test_a_missing_file_is_named(file: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / file).unlink()
    assert file in refused([run], tmp_path)


def test_a_run_that_has_not_reached_its_first_evaluation_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "metrics.jsonl").write_text("")
    assert "holds no evaluation yet" in refused([run], tmp_path)


def test_evaluations_may_lie_elsewhere_and_must_be_those_of_the_runs(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), f"seed={seed}") for seed in range(2)]
    places = [(run / "evaluation.json").rename(tmp_path / f"{run.name}.json") for run in runs]
    assert "demo, seed 1" in report(tmp_path, *runs, evaluations=places).text
    assert "2 runs and 1 evaluations" in refused(runs, tmp_path, evaluations=places[:1])
    message = refused(runs, tmp_path, evaluations=places[::-1])
    assert run_of("seed=1").spec.run_id in message
    assert run_of("seed=0").spec.run_id in message


def test_a_run_that_is_named_twice_is_shown_once(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name) for name in ("first", "second"))
    told: list[str] = []
    assert "1 run" in report(tmp_path, first, second, notify=told.append).text
    assert told[0] == f"left out: {second} is the same run as {first}, seed included"


def test_an_unwritable_place_is_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    run, file = write_run(tmp_path / "run"), tmp_path / "file"
    file.write_text("in the way")
    for place in (file / "report.html", tmp_path):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(InputError, match="cannot write"):
            build_report([run], place)
        assert sorted(tmp_path.iterdir()) == before


def test_a_failed_report_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "report.html"
    out.write_text("old")
    (run / "evaluation.json").write_text("{}")
    with pytest.raises(InputError):
        build_report([run], out)
    assert out.read_text() == "old"


def rendered(runs: Sequence[RunRecord]) -> str:
    return render(groups_of(runs), document(runs).claims, "/nowhere/at/all")


def test_the_policy_allows_the_scripts_of_the_page_and_no_network() -> None:
    html = rendered([run_of()])
    page = Page(html)
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    assert {base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in page.scripts[1:]} == allowed
    style = html.split("<style>")[1].split("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style


def test_twenty_runs_and_one_long_run_stay_small(tmp_path: Path) -> None:
    assert len(rendered([run_of(f"seed={seed}", ood=700 + 50 * seed) for seed in range(20)])) < THREE_MEGABYTES
    html = rendered([run_of("training.max_steps=400000", "evaluation.interval=40", ood=1200)])
    assert len(html) < THREE_MEGABYTES
    assert "Not every evaluation is drawn" in html
    assert "Not every evaluation is drawn" not in rendered([run_of()])


def test_a_report_lies_in_any_store(store_uri: str, tmp_path: Path) -> None:
    write_all([run_of()], tmp_path)
    place = build_report([tmp_path / "runs"], f"{store_uri}/pages/report.html")
    assert place == f"{store_uri}/pages/report.html"
