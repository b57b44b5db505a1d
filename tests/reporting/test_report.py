"""The HTML of a report, read as a browser would parse it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from grokcore.reporting import build_report
from tests.reporting.pages import Page, chart_data
from tests.reporting.synthetic_runs import COMPARISON, Recipe, modular

Write = Callable[..., Path]
HOSTILE = "</script><img src=x onerror=alert(1)>"
THREE_MEGABYTES = 3_000_000


def report(tmp_path: Path, *runs: Path) -> Page:
    return Page(Path(build_report(list(runs), tmp_path / "report.html")).read_text("utf-8"))


def test_one_file_that_names_no_other_place(run: Write, tmp_path: Path) -> None:
    page = report(tmp_path, run(), run(recipe=modular()))
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "data", "srcset", "poster", "formaction", "background"):
            value = attributes.get(name)
            assert value is None or value == "data:,", (tag, name, value)
        assert not any(name.startswith("on") for name in attributes)
    assert not {"iframe", "object", "embed", "base", "img"} & set(page.tags())
    assert "@import" not in (
        css := (tmp_path / "report.html").read_text("utf-8").split("<style>")[1].split("</style>")[0]
    )
    assert "url(" not in css


def test_the_policy_allows_the_scripts_of_the_report_and_no_network(run: Write, tmp_path: Path) -> None:
    page = report(tmp_path, run())
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    executed = page.scripts[1:]
    assert {base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in executed} == allowed


def test_twenty_runs_stay_below_three_megabytes(run: Write, tmp_path: Path) -> None:
    runs = [run("sweep", seed=seed, interval=20) for seed in range(20)]
    report(tmp_path, *runs)
    assert (tmp_path / "report.html").stat().st_size < THREE_MEGABYTES


def test_a_long_run_is_thinned_and_the_report_says_so(run: Write, tmp_path: Path) -> None:
    page = report(tmp_path, run(steps=300_000, interval=40))
    assert (tmp_path / "report.html").stat().st_size < THREE_MEGABYTES
    assert "Not every evaluation is drawn" in page.text
    assert "Not every evaluation is drawn" not in report(tmp_path, run()).text


def test_names_are_text_and_never_markup(run: Write, tmp_path: Path) -> None:
    splits = tuple((f"{HOSTILE}{name}" if "ood" in name else name, facts) for name, facts in COMPARISON.items())
    plain = report(tmp_path, run(), run("other", architecture="llama"))
    hostile = report(
        tmp_path,
        run(name=HOSTILE, description=f"<b>{HOSTILE}", splits=splits),
        run("other", architecture=HOSTILE),
    )
    assert "img" not in hostile.tags()
    assert len(hostile.scripts) == len(plain.scripts)
    assert hostile.tags().count("script") == plain.tags().count("script")
    assert HOSTILE in hostile.text
    assert f"{HOSTILE}test_inferred_ood" in hostile.text
    assert not re.search("[<>&]", hostile.scripts[0])
    assert HOSTILE in json.dumps(chart_data(hostile)).replace("\\", "") or "onerror" in hostile.scripts[0]


def test_the_same_runs_give_the_same_bytes(run: Write, tmp_path: Path) -> None:
    runs = [run(), run(recipe=modular())]
    first = Path(build_report(runs, tmp_path / "first.html")).read_bytes()
    build_report(runs[:1], tmp_path / "between.html")
    assert Path(build_report(runs, tmp_path / "second.html")).read_bytes() == first


def test_every_legend_button_moves_models_that_exist(run: Write, tmp_path: Path) -> None:
    for runs in ([run()], [run("a"), run("b", seed=1), run(recipe=modular())]):
        page = report(tmp_path, *runs)
        data = chart_data(page)
        buttons = [attributes for tag, attributes in page.elements if tag == "button" and "data-toggle" in attributes]
        toggles = data["toggles"]
        assert isinstance(toggles, list)
        assert len(buttons) == len(toggles) == (7 if len(runs) == 1 else 3)
        models = set(re.findall(r'"id": "(m\d+)"', json.dumps(data["documents"])))
        assert all(toggle and set(toggle) <= models for toggle in toggles)


def test_every_chart_has_its_place_and_a_description(run: Write, tmp_path: Path) -> None:
    page = report(tmp_path, run())
    items = chart_data(page)["items"]
    assert isinstance(items, list)
    places = {attributes["id"]: attributes for _, attributes in page.elements if attributes.get("class") == "chart"}
    assert set(items[0]["roots"].values()) == set(places)
    assert {"accuracy", "loss", "learning-rate", "gradient-norm", "weight-norm"} == set(places)
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in places.values())


def test_headings_descend_one_level_at_a_time_and_tables_have_captions(run: Write, tmp_path: Path) -> None:
    page = report(tmp_path, run(), run("b", seed=1))
    levels = [int(tag[1]) for tag in page.tags() if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert page.tags().count("table") == page.tags().count("caption") == 3
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_tables_hold_the_numbers_of_one_run(run: Write, tmp_path: Path) -> None:
    text = report(tmp_path, run(recipe=modular())).text.replace("\u202f", " ")
    for part in ("Majority baseline", "1.1 %", "held out", "3,000", "first crossing", "sustained", "stable"):
        assert part in text
    for part in ("tie_embeddings yes", "decay_groups explicit", "torch 2.13.0", "4611686018427387901", "budget_steps"):
        assert part in text
    assert re.search(r"\(\d[\d,]*, \d[\d,]*\]", text)


def test_a_censored_time_keeps_its_row(run: Write, tmp_path: Path) -> None:
    text = report(tmp_path, run(recipe=modular(midpoints=(("test", 9000),)))).text
    assert text.count("not within 4,000") == 3


def test_another_dataset_is_a_difference(run: Write, tmp_path: Path) -> None:
    assert "The runs differ in dataset ." in report(tmp_path, run(), run(recipe=modular())).text


def test_rows_in_which_runs_differ_come_first_and_are_marked(run: Write, tmp_path: Path) -> None:
    page = report(tmp_path, run("a"), run("b", architecture="llama", seed=1))
    assert sum(attributes.get("class") == "differs" for tag, attributes in page.elements if tag == "tr") == 2
    assert page.text.index("architecture differs gpt2 llama") < page.text.index("implementation transformers")
    assert "The runs differ in architecture , seed ." in page.text


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(single_evaluation=True),
        Recipe(diverged_at=900),
        Recipe(collapse_at=3600),
        Recipe(steps=3, interval=1),
        modular(single_evaluation=True),
        modular(name="$$x^2$$ @{step} {{ name }}"),
    ],
    ids=lambda recipe: repr(recipe.name + str(recipe.diverged_at or recipe.collapse_at or recipe.steps)),
)
def test_unusual_runs_have_a_report_too(run: Write, tmp_path: Path, recipe: Recipe) -> None:
    page = report(tmp_path, run(recipe=recipe))
    assert "h1" in page.tags()
    assert chart_data(page)["documents"]
