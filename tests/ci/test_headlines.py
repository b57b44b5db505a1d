"""The table of published headlines: its points exist, and its cells say what committed results say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ci import headlines
from ci.headlines import COLUMNS, HEADLINES, NOT_RUN, TUNED, keep, median_steps, shown
from grokcore.sweeps import expand, load_sweep

each_headline = pytest.mark.parametrize("headline", HEADLINES, ids=lambda one: f"{one.sweep} {one.arm}")


def runs(*steps: int | None, budget: int = 3000) -> list[dict[str, str]]:
    """Make rows of runs that reach the threshold at these steps and hold it 100 steps later; None: never."""
    return [
        {
            "first_crossing_steps": "" if step is None else str(step),
            "sustained_steps": "" if step is None else str(step + 100),
            "censored_at": str(budget),
        }
        for step in steps
    ]


@each_headline
def test_a_headline_names_points_of_its_sweep_and_of_the_small_one(headline) -> None:
    for sweep in (headline.sweep, f"{headline.sweep}-small"):
        names = {point.name for point in expand(load_sweep(sweep))}
        assert {f"arm={headline.arm}", f"arm={headline.baseline}"} <= names


@each_headline
def test_the_tuned_adamw_has_the_data_and_the_model_of_a_headline(headline) -> None:
    points = {point.spec.dataset_id: point.spec for point in expand(load_sweep(TUNED))}
    (baseline,) = [p.spec for p in expand(load_sweep(headline.sweep)) if p.name == f"arm={headline.baseline}"]
    tuned = points[baseline.dataset_id]
    assert tuned.model == baseline.model
    assert tuned.evaluation.threshold == baseline.evaluation.threshold
    for field in ("betas", "batch_size", "warmup_steps", "gradient_clip"):
        assert getattr(tuned.training, field) == getattr(baseline.training, field)


def test_the_median_is_a_bound_where_it_falls_on_runs_that_ended_before() -> None:
    assert median_steps(runs(100, 300, 200), "first_crossing_steps") == (200, False)
    assert median_steps(runs(100, 200), "first_crossing_steps") == (150, False)
    assert median_steps(runs(100, None, 200), "first_crossing_steps") == (200, False)
    assert median_steps(runs(100, None), "first_crossing_steps") == (3000, True)
    assert median_steps(runs(None, None, 1), "sustained_steps") == (3000, True)


def test_a_cell_shows_both_definitions_the_seeds_and_the_ratio_to_the_method() -> None:
    method = runs(900, 1000, 1100)
    assert shown([]) == shown([], against=method) == NOT_RUN
    assert shown(method) == "1,000, held from 1,100; 3 of 3 seeds"
    assert shown(runs(39000, 40000, 41000), against=method) == "40 times: 40,000, held from 40,100; 3 of 3 seeds"
    assert shown(runs(None, None, 2000), against=method) == "> 3 times: > 3,000, held from > 3,000; 1 of 3 seeds"
    assert shown(method, against=runs(None)) == "1,000, held from 1,100; 3 of 3 seeds"


def test_committed_results_fill_the_cells_of_their_own_points(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(headlines, "RESULTS", tmp_path)
    empty = headlines.headlines()
    assert empty.count(NOT_RUN) == 3 * len(HEADLINES)
    points = {point.name: point for point in expand(load_sweep("headlines"))}
    exported = tmp_path / "runs.csv"
    with exported.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "uri"])
        writer.writeheader()
        for name, (row,) in {"arm=adam": runs(40000), "arm=grokfast": runs(800)}.items():
            spec = points[name].specs[0]
            known = {"run_id": spec.run_id, "dataset_id": spec.dataset_id, "seed": spec.seed, "uri": "home/runs"}
            writer.writerow(row | known | {"split": "test"})
            writer.writerow(row | known | {"split": "train", "first_crossing_steps": 1})
    kept = keep("headlines", exported)
    assert kept.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert len(kept.read_text().splitlines()) == 3
    assert "home" not in kept.read_text()
    more = tmp_path / "more.csv"
    more.write_text(exported.read_text().replace(points["arm=adam"].specs[0].run_id, "another"))
    assert [row.split(",")[0] for row in keep("headlines", more).read_text().splitlines()[1:]] == [
        *(points[name].specs[0].run_id for name in ("arm=adam", "arm=grokfast")),
        "another",
    ]
    grokfast, *others = headlines.headlines().splitlines()[2:]
    assert "| 800, held from 900; 1 of 1 seeds | 50 times: 40,000, held from 40,100; 1 of 1 seeds | not run yet |" in (
        grokfast
    )
    assert [row.count("50 times") for row in others] == [0] * len(others)
    keep(TUNED, exported)
    assert len((tmp_path / f"{TUNED}.csv").read_text().splitlines()) == 2, "one run of each seed on the same data"
    assert headlines.headlines().splitlines()[2].endswith(" | 1 times: 800, held from 900; 1 of 1 seeds |")


def test_a_comparison_without_the_split_that_runs_are_about_is_refused(tmp_path: Path) -> None:
    exported = tmp_path / "runs.csv"
    exported.write_text("run_id,split\nabc,train\n")
    with pytest.raises(LookupError, match="no row of the split test"):
        keep("headlines", exported)
