"""The page of a comparison, read as a browser would parse it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from grokcore.claims import document
from grokcore.claims.judging import holm
from grokcore.errors import InputError
from grokcore.evaluation.survival import (
    common_horizon,
    compare,
    delay_of,
    median_interval,
    median_time,
    restricted_mean,
    times_of,
)
from grokcore.reporting import build_comparison
from grokcore.reporting.formatting import count, significant
from grokcore.reporting.outcomes import p_text
from grokcore.reporting.page import render
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from grokcore.storage import open_store
from tests.reporting.conftest import Written
from tests.reporting.made_up_groups import IID, OOD, grid, run_of, write_all
from tests.reporting.pages import Page, chart_data

FOUR_MEGABYTES = 4_000_000
HOSTILE = "</script><img src=x onerror=alert(1)>"


def drawn(runs: Sequence[RunRecord], left_out: Sequence[str] = ()) -> Page:
    return Page(render(groups_of(runs), document(runs).claims, "/nowhere/at/all", left_out=left_out))


def plain(page: Page) -> str:
    return page.text.replace("\u202f", " ").replace("\u00a0", " ")


def test_medians_limits_delays_and_ratios_are_those_of_the_statistics(written: Written) -> None:
    text = plain(written.page)
    groups = groups_of(written.runs)
    for group in groups:
        times = times_of(group.runs, OOD)
        median, (low, high) = median_time(times), median_interval(times)
        if median.censored:
            assert f"> {count(median.step)}" in text
            continue
        assert (low, high) == (None, None), "three seeds set no limits"
        assert f"median {count(median.step)} ·" in text
        late = delay_of(group.runs, OOD).median
        assert f"{significant(late, 2)} × T_train" in text  # noqa: RUF001
    contrast = compare(groups[0].runs, groups[1].runs, OOD)
    assert contrast is not None
    effect = contrast.effect
    assert f"{significant(effect.ratio, 2)} ×" in text  # noqa: RUF001
    assert f"least possible {significant(effect.least, 2)}" in text


def test_intervals_stand_where_six_seeds_or_more_set_them_and_nowhere_else(written: Written) -> None:
    assert "95 %:" not in plain(written.page).replace("95 %: limits of the median", "")
    runs = [run_of(f"seed={seed}", ood=1000 + 60 * seed) for seed in range(6)]
    times = times_of(runs, OOD)
    low, high = median_interval(times)
    text = plain(drawn(runs))
    assert f"median step {count(median_time(times).step)} (95 %: {count(low)} to {count(high)})" in text
    mean = restricted_mean(times, common_horizon([times]))
    assert f"mean {significant(mean.steps)} ({significant(mean.lower)} to {significant(mean.upper)})" in text


def test_no_mean_is_shown_of_a_group_that_never_got_there() -> None:
    text = plain(drawn([run_of(f"seed={seed}", ood=None) for seed in range(6)]))
    assert "mean 2,000" not in text


def test_headlines_use_p_corrected_for_all_comparisons_of_the_page() -> None:
    runs = [run_of(f"seed={seed}", ood=900 + 40 * seed) for seed in range(5)]
    for layers in (1, 3, 4):
        at = 1900 if layers == 3 else 930
        runs += [run_of(f"model.layers={layers}", f"seed={seed}", ood=at - 5 * seed) for seed in range(5)]
    groups = groups_of(runs)
    text = plain(drawn(runs))
    ps = [compare(groups[0].runs, group.runs, split).effect.p for group in groups[1:] for split in ("train", IID, OOD)]
    corrected = holm(ps)
    assert len(ps) == 9
    assert "p corrected for 9 comparisons (Holm)" in text
    if min(p for p in corrected if p is not None) > 0.05:
        assert "No difference from model.layers 1 is beyond chance" in text
    else:
        assert "Times that differ from model.layers 1's by more than chance" in text
    for p, one in zip(ps, corrected, strict=True):
        assert p_text(one) in text
        assert f"uncorrected {p_text(p)}" in text.replace("\u202f", " ")


def test_so_few_seeds_are_said_to_be_able_to_show_nothing(written: Written) -> None:
    text = plain(written.page)
    assert "No difference from model.architecture gpt2 is beyond chance" in text
    assert re.search(r"\(Holm\) is (1|at least 0?\.\d+), and so few seeds could show none", text)


def test_pooled_architectures_are_named(written: Written) -> None:
    assert "of 8 runs of gpt2, llama and mamba, 5 grokked it" in plain(written.page)


def test_the_page_says_on_how_many_draws_of_the_data_the_runs_lie(written: Written) -> None:
    assert "All seeds share one draw of the data (task.seed 0)" in plain(written.page)
    draws = [run_of(f"task.seed={draw}", f"seed={draw}") for draw in range(6)]
    text = plain(drawn(draws))
    assert "Each run of a group has a draw of the data of its own, of 6 in all." in text
    assert "95 %: limits" in text
    assert "seed 3 of draw 3" in text


def test_seeds_and_draws_crosswise_set_no_limits() -> None:
    runs = [run_of(f"task.seed={draw}", f"seed={seed}", ood=900 + 30 * seed) for draw in range(3) for seed in range(3)]
    text = plain(drawn(runs))
    assert "The runs lie on 3 draws of the data (task.seed 0, 1 and 2)" in text
    assert "95 %:" not in text.replace("95 %: limits of the median", "")


def test_what_was_compared_and_what_came_out_stands_first(written: Written) -> None:
    text = plain(written.page)
    assert "architecture: gpt2, llama, mamba" in text
    assert (
        "of 8 runs of gpt2, llama and mamba, 5 grokked it and 3 did not hold the threshold within their budget" in text
    )
    assert "In 1 group fewer than half the seeds got there." in text
    assert "none of 2 seeds held 97 % within 2,000 steps" in text


def test_a_tie_names_all_that_share_it() -> None:
    def at(architecture: str, step: float) -> list[RunRecord]:
        return [run_of(f"model.architecture={architecture}", f"seed={seed}", ood=step) for seed in range(3)]

    tied = plain(drawn([*at("gpt2", 400), *at("llama", 400), *at("rwkv", 900)]))
    assert re.search(r"Soonest: model.architecture gpt2 and model.architecture llama \(median step [\d,]+ each\); "
                     r"latest known: model.architecture rwkv \(median step", tied)  # fmt: skip
    alike = plain(drawn([*at("gpt2", 400), *at("llama", 400)]))
    assert re.search(
        r"At the same time: model.architecture gpt2 and model.architecture llama \(median step [\d,]+ each\)\.", alike
    )
    assert "Soonest" not in alike
    alone = plain(drawn([*at("gpt2", 400), *at("llama", 900)]))
    assert re.search(
        r"Soonest: model.architecture gpt2 \(median step [\d,]+\); latest known: model.architecture llama", alone
    )


def test_how_much_of_a_falling_rate_was_left_is_said_of_each_group() -> None:
    falling = [run_of(f"seed={seed}", ood=800 + 300 * seed) for seed in range(3)]
    text = plain(drawn(falling))
    assert "Caveats" in text
    assert re.search(
        rf"{OOD}: sustained from step [\d,]+ to [\d,]+ on in 3 runs, with \d+ % to \d+ % of the peak", text
    )
    assert re.search(r"3 of 3 held .*; \d+ % to \d+ % of the peak learning rate left", text)


def test_a_run_that_diverged_is_flagged(written: Written) -> None:
    assert "model.architecture mamba : 1 of 2 ended on a loss that was no finite number: seed 1" in plain(written.page)


def test_what_differs_beyond_the_axes_is_told_with_who_has_it(written: Written) -> None:
    text = plain(written.page)
    assert re.search(
        r"model\.tie_embeddings known confound: .* yes : model.architecture gpt2 ; model.architecture mamba "
        r"no : model.architecture llama",
        text,
    )
    assert re.search(r"Fields that only some groups have, with one value among those: .*model\.state_size", text)


def test_software_and_hardware_that_differ_are_told() -> None:
    one, other = run_of(), run_of("seed=1")
    other.manifest.versions["torch"] = "9.9.9"
    text = plain(drawn([one, other]))
    assert "versions.torch differs within a group 2.13.0 : demo 9.9.9 : demo" in text
    assert "hardware.device" not in text


def test_every_claim_has_its_verdict_and_those_without_runs_a_line(written: Written) -> None:
    text = plain(written.page)
    claims = document(written.runs).claims
    for claim in claims:
        assert f"{claim.number}. {claim.statement}" in text
    for claim in claims:
        if claim.scope is not None:
            assert claim.hash in text
            assert claim.claim_hash in text
            assert claim.sentence in text
            assert all(unmet in text for unmet in claim.scope.unmet)
    silent = sum(claim.verdict == "not tested" for claim in claims)
    assert f"{silent} claims that these runs do not test" in text


def test_runs_are_linked_relative_to_the_page_and_reports_where_there_are_any(written: Written, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(written.store / "runs", store / "runs")
    run = written.runs[0].spec.run_id
    (store / "runs" / run / "local" / "report.html").write_text("a report")
    page = Page(Path(build_comparison([store], store / "sweeps" / "s").page).read_text("utf-8"))
    links = [attributes["href"] or "" for tag, attributes in page.elements if tag == "a"]
    outside = [link for link in links if not link.startswith("#")]
    assert f"../../runs/{run}/local/report.html" in outside
    assert all(link.startswith("../../runs/") for link in outside)
    assert len(outside) == len(written.runs) + 1
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors <= {attributes.get("id") for _, attributes in page.elements}


def test_one_file_that_names_no_other_place(written: Written) -> None:
    for tag, attributes in written.page.elements:
        for name in ("src", "action", "data", "srcset", "poster", "formaction", "background"):
            assert attributes.get(name) is None, (tag, name)
        assert not any(name.startswith("on") for name in attributes)
    assert not {"iframe", "object", "embed", "base", "img"} & set(written.page.tags())


def test_names_are_text_and_never_markup(written: Written) -> None:
    runs = [run_of(f"seed={seed}", "task.values=7") for seed in range(2)]
    hostile = [
        replace(run, uri=f"/{HOSTILE}/{run.spec.seed}", spec=run.spec.model_copy(update={"name": HOSTILE}))
        for run in runs
    ]
    for run in hostile:
        run.manifest.hardware["processor"] = f"{HOSTILE}{run.spec.seed}"
    page = drawn(hostile, left_out=[HOSTILE])
    assert "img" not in page.tags()
    assert page.tags().count("script") == written.page.tags().count("script")
    assert page.text.count(HOSTILE) > 3
    assert not re.search("[<>&]", page.scripts[0])


def test_the_same_runs_give_the_same_bytes(written: Written, tmp_path: Path) -> None:
    again = build_comparison([written.store / "runs"], written.store / "sweeps" / "again")
    assert Path(again.page).read_bytes() == Path(written.comparison.page).read_bytes()


def test_headings_descend_one_level_at_a_time_and_ids_are_unique(written: Written) -> None:
    page = written.page
    levels = [int(tag[1]) for tag in page.tags() if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_switch_moves_models_that_exist_and_every_chart_has_its_place(written: Written) -> None:
    page = written.page
    data = chart_data(page)
    models = set(re.findall(r'"id": "(m\d+)"', json.dumps(data["documents"])))
    toggles, items = data["toggles"], data["items"]
    assert isinstance(toggles, list)
    assert isinstance(items, list)
    assert len(toggles) == 3 + 1
    assert all(toggle and set(toggle) <= models for toggle in toggles)
    places = {attributes["id"]: attributes for _, attributes in page.elements if attributes.get("class") == "chart"}
    assert set(items[0]["roots"].values()) == set(places)
    parts = {attributes.get("data-part") for _, attributes in page.elements}
    for _, attributes in page.elements:
        if "data-shows" in attributes:
            assert attributes["data-shows"] in parts


@pytest.mark.parametrize(
    "runs",
    [
        [run_of()],
        [run_of(f"seed={seed}") for seed in range(3)],
        [run_of("model.architecture=llama", ood=None, iid=None), run_of(ood=None, iid=None)],
        [run_of(), run_of("task.kind=modular")],
        [run_of("training.max_steps=1"), run_of("training.max_steps=1", "seed=1")],
    ],
    ids=["one run", "one group", "all censored", "two tasks", "hardly begun"],
)
def test_unusual_comparisons_have_a_page_too(runs: list[RunRecord]) -> None:
    page = drawn(runs)
    assert "h1" in page.tags()
    assert chart_data(page)["documents"]
    groups = len(groups_of(runs))
    assert ("Held against" in page.text) == (groups > 1)


def test_a_numeric_axis_has_a_dose_response_and_names_what_changes_along() -> None:
    runs = [
        run_of(f"task.entities={entities}", f"task.attributes={1000 // entities}", ood=20 * entities)
        for entities in (50, 100)
    ]
    text = plain(drawn(runs))
    assert "Dose and response" in text
    assert "Changing along with it, and not to be told from it: task.attributes" in text or (
        "Changing along with it, and not to be told from it: task.entities" in text
    )


def test_many_groups_get_small_charts_and_the_page_stays_small() -> None:
    seeds = 5
    first = grid(values=(5, 7, 9, 11, 13, 15, 17, 19), decays=(0, 0.1, 0.2, 0.3, 0.4), seeds=1)
    runs = [replace(run, spec=run.spec.model_copy(update={"seed": seed})) for run in first for seed in range(seeds)]
    groups = groups_of(runs)
    assert len(groups) == 40
    html = render(groups, [], "/nowhere/at/all")
    assert len(html.encode()) < FOUR_MEGABYTES
    page = Page(html)
    assert page.tags().count("polyline") == 40 * 3
    assert "Each group by itself" in page.text


def test_unfinished_runs_are_refused_or_left_out_and_named(written: Written, tmp_path: Path) -> None:
    runs = [run_of("task.values=6", f"seed={seed}") for seed in range(2)]
    write_all(runs, tmp_path)
    missing = tmp_path / "runs" / runs[1].spec.run_id / "local"
    (missing / "evaluation.json").unlink()
    with pytest.raises(InputError, match=f"grokcore evaluate {missing}"):
        build_comparison([tmp_path / "runs"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    told: list[str] = []
    comparison = build_comparison([tmp_path / "runs"], tmp_path / "out", unfinished="skip", notify=told.append)
    assert list(comparison.left_out) == [line for line in told if line.startswith("left out")] == told[:1]
    assert comparison.runs == 1
    assert told[0] in Path(comparison.page).read_text("utf-8")


def test_a_comparison_replaces_no_runs_report(written: Written) -> None:
    run = written.store / "runs" / written.runs[0].spec.run_id / "local"
    with pytest.raises(InputError, match="is a run: its report"):
        build_comparison([run], run)


def test_a_comparison_may_lie_in_any_store(written: Written, store_uri: str, tmp_path: Path) -> None:
    comparison = build_comparison([written.store / "runs"], f"{store_uri}/sweeps/s")
    keys = {file.key for file in open_store(comparison.directory).files()}
    assert keys == {"report.html", "runs.csv", "runs.parquet", "curves.parquet", "claims.json"}
