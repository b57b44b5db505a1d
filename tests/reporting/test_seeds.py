"""Seeds of one spec in a report: taken together, none of them left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.evaluation.survival import Reached
from grokcore.reporting.entries import entries_of, median_run, samples
from grokcore.reporting.read import Measure, RunView, read_runs
from grokcore.reporting.series import series_of
from grokcore.reporting.tables import manifest_table, seeds_table
from tests.reporting.synthetic_runs import modular
from tests.reporting.test_report import chart_data, report

Write = Callable[..., Path]


@pytest.fixture
def seeds(run: Write) -> Callable[..., list[Path]]:
    """Writes seeds of `modular` whose test split rises at these steps; beyond 2,000 it is censored at 4,000."""

    def write(*midpoints: float, **changes: object) -> list[Path]:
        return [
            run(recipe=modular(seed=seed, midpoints=(("test", midpoint),), **changes))
            for seed, midpoint in enumerate(midpoints)
        ]

    return write


Seeds = Callable[..., list[Path]]


def test_three_seeds_are_one_entry_and_two_are_two(seeds: Seeds) -> None:
    assert [entry.label for entry in entries_of(read_runs(seeds(300, 400, 500)))] == ["modular · 3 seeds"]
    two = entries_of(read_runs(seeds(300, 400)))
    assert [entry.label for entry in two] == ["modular · seed 0", "modular · seed 1"]


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "rwkv"},
        {"name": "other"},
        {"splits": (("train", ("train", 0.01, 99)), ("test", ("held_out", 0.1, 9)))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_differs_in_more_than_the_seed_stays_apart(seeds: Seeds, run: Write, change: dict[str, object]) -> None:
    runs = [*seeds(300, 400, 500), run(recipe=modular(seed=3, **change))]
    assert [entry.runs for entry in entries_of(read_runs(runs))] == [(0, 1, 2), (3,)]


def test_a_run_named_twice_counts_as_no_seed(seeds: Seeds) -> None:
    runs = seeds(300, 400)
    assert len(entries_of(read_runs([*runs, runs[0]]))) == 3


def test_specs_of_one_name_are_told_apart_without_their_seeds(seeds: Seeds) -> None:
    views = read_runs([*seeds(300, 400, 500), *seeds(300, 400, 500, architecture="rwkv")])
    assert [entry.label for entry in entries_of(views)] == [
        "modular · architecture gpt2 · 3 seeds",
        "modular · architecture rwkv · 3 seeds",
    ]
    assert views[4].label == "modular · architecture rwkv · seed 1"


def test_a_sample_keeps_censored_runs(seeds: Seeds) -> None:
    views = read_runs(seeds(300, 9000, 9000))
    found = samples(views)
    assert found["test"].verdicts == {"grokked": 1, "censored": 2}
    assert found["test"].median == Reached(4000, censored=True)
    assert found[None].censored == 0


def with_accuracies(view: RunView, accuracies: dict[int, float | None]) -> RunView:
    lines = tuple(
        view.journal[0].model_copy(update={"step": step, "splits": {"test": Measure(accuracy=accuracy, loss=None)}})
        for step, accuracy in accuracies.items()
    )
    return dataclasses.replace(view, journal=lines)


def test_the_median_curve_is_the_median_at_each_step_as_long_as_most_runs_last(run: Write) -> None:
    (view,) = read_runs([run(recipe=modular())])
    runs = [
        with_accuracies(view, {0: 0.1, 10: 0.2, 20: 0.9, 30: 1.0}),
        with_accuracies(view, {0: 0.3, 10: 0.4, 20: None}),
        with_accuracies(view, {0: 0.2, 10: 0.9, 20: 1.0}),
        with_accuracies(view, {0: 0.2}),
    ]
    found = median_run(runs, "median")
    curve = {line.step: line.splits["test"].accuracy for line in found.journal}
    assert curve == {0: pytest.approx(0.2), 10: pytest.approx(0.4), 20: pytest.approx(0.95)}
    assert series_of([found])[1].title == "test"


def test_most_values_missing_leave_a_gap(run: Write) -> None:
    (view,) = read_runs([run(recipe=modular())])
    runs = [with_accuracies(view, {5: accuracy}) for accuracy in (0.5, None, None)]
    assert median_run(runs, "median").journal[0].splits["test"].accuracy is None


def test_the_table_has_verdicts_medians_and_ranges(seeds: Seeds) -> None:
    table = seeds_table(read_runs(seeds(300, 400, 9000)))
    assert table is not None
    (section,) = table.sections
    train, test = section.rows
    times = [view.evaluation.held_out["test"].sustained for view in read_runs(seeds(300, 400, 9000))]
    earliest, middle = (time.steps for time in times if time)
    assert (section.title, train.head, test.head) == ("modular · 3 seeds", "training set", "test")
    assert test.note == "2 grokked, 1 censored"
    assert test.cells[0].text == f"{middle:,}"
    assert test.cells[0].note.replace("\u202f", " ") == f"{earliest:,} to > 4,000"
    assert test.cells[1].note


def test_a_median_beyond_the_end_is_said_as_such(seeds: Seeds) -> None:
    table = seeds_table(read_runs(seeds(9000, 9000, 9000)))
    assert table is not None
    time = table.sections[0].rows[1].cells[0]
    assert (time.text.replace("\u202f", " "), time.note) == ("> 4,000", "")


def test_runs_without_seeds_have_no_such_table(seeds: Seeds, run: Write, tmp_path: Path) -> None:
    assert seeds_table(read_runs(seeds(300, 400))) is None
    page = report(tmp_path, run(recipe=modular()))
    assert "seeds" not in [attributes.get("id") for _, attributes in page.elements]


def test_a_report_of_seeds_has_one_title_one_button_and_a_section(seeds: Seeds, tmp_path: Path) -> None:
    page = report(tmp_path, *seeds(*range(300, 700, 50)))
    assert "modular · 8 seeds" in page.texts
    assert "seeds" in [attributes.get("id") for _, attributes in page.elements]
    assert "their median, at each step, the bold one" in page.text
    data = chart_data(page)
    toggles = data["toggles"]
    assert isinstance(toggles, list)
    assert len(toggles) == 1
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_how_they_were_made_stands_in_one_column_with_what_differs(seeds: Seeds) -> None:
    table = manifest_table(read_runs(seeds(300, 400, 500)))
    assert table.columns == ["modular · 3 seeds"]
    rows = {row.head: row for section in table.sections for row in section.rows}
    assert rows["seed"].cells[0].text == "0, 1, 2"
    assert rows["seed"].differs
    assert rows["width"].cells[0].text == "128"
    assert rows["run"].cells[0].text.count(",") == 2
