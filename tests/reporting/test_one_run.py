"""What the page says and draws of a single run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from grokcore.claims import document
from grokcore.reporting.axis import step_axis
from grokcore.reporting.figures import drawn_places
from grokcore.reporting.page import render
from grokcore.reporting.palette import split_styles
from grokcore.reporting.phase_markers import PhaseMarker, label_slots, phase_markers
from grokcore.reporting.run_findings import run_findings
from grokcore.reporting.study import splits_of
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec, resolve
from tests.evaluation.made_up import Curve, Rise, record
from tests.reporting.made_up_groups import BRIEF, IID, OOD, run_of
from tests.reporting.pages import Page, chart_data


def told(run: RunRecord) -> dict[str, str]:
    return {f"{fact.badge} {fact.split}".strip(): fact.sentence.replace("\u202f", " ") for fact in run_findings(run)}


def page_of(*runs: RunRecord) -> Page:
    return Page(render(groups_of(runs), document(runs).claims, "/nowhere/at/all"))


def text_of(*runs: RunRecord) -> str:
    return page_of(*runs).text.replace("\u202f", " ").replace("\u00a0", " ")


def lost(reached: float, collapses: int) -> RunRecord:
    """A run that holds OOD from about a step on, and loses it."""
    curve: Curve = lambda step: 0.6 if step >= collapses else Rise(reached)(step)  # noqa: E731
    return record(resolve(load_spec("demo", BRIEF)), Rise(200), {IID: Rise(500), OOD: curve})


def test_a_grokked_split_says_when_how_late_and_against_what_chance() -> None:
    run = run_of()
    sentence, time = told(run)[f"grokked {OOD}"], run.evaluation.held_out[OOD].sustained
    assert time is not None
    assert f"held 97 % from step {time.steps:,} on (not yet at {time.after:,})" in sentence
    assert "times as late as training (training set: step" in sentence
    assert "most common answer scores 40.0 %" in sentence
    assert "memorized" in told(run)


def test_a_censored_split_is_never_dropped_and_its_times_keep_their_rows() -> None:
    run = run_of(ood=None)
    assert "did not reach 97 % within 2,000 steps" in told(run)[f"censored {OOD}"]
    assert text_of(run).count("not within 2,000") == 3


def test_a_run_that_memorized_nothing_says_so() -> None:
    run = run_of("training.max_steps=50", train=900)
    assert "did not reach 97 % within 50 steps" in told(run)["not memorized"]


def test_a_split_that_rose_with_training_is_not_grokking_and_one_ahead_is_not_late() -> None:
    along, ahead = run_of(ood=210), run_of(ood=100, train=400)
    (sentence,) = (text for head, text in told(along).items() if head.endswith(OOD))
    assert "so this is not grokking" in sentence
    (sentence,) = (text for head, text in told(ahead).items() if head.endswith(OOD))
    assert "of the training set's steps" in sentence
    assert "late" not in sentence


def test_a_collapse_and_a_divergence_are_told() -> None:
    assert "had collapsed by step" in told(lost(700, 1500))[f"collapsed {OOD}"]
    assert "loss was not finite" in told(run_of(exit_reason="diverged"))["diverged"]


def test_markers_tell_grokked_from_generalized_and_keep_collapses() -> None:
    def kinds(run: RunRecord) -> list[str]:
        return [marker.kind for marker in phase_markers(run) if marker.split in (None, OOD)]

    assert kinds(run_of()) == ["memorized", "onset", "grokked"]
    assert "generalized" in kinds(run_of(ood=210))
    assert kinds(lost(700, 1500))[-2:] == ["grokked", "collapsed"]
    assert kinds(lost(210, 1500))[-2:] == ["generalized", "collapsed"]


def test_labels_of_markers_at_one_step_take_different_places() -> None:
    markers = [
        PhaseMarker("memorized", 500, 400, None),
        PhaseMarker("onset", 500, None, "a"),
        PhaseMarker("onset", 505, None, "b"),
    ]
    assert len({(slot.side, slot.tier) for slot in label_slots(markers, step_axis([0, 1, 4000]))}) == 3


def test_a_label_stands_on_the_side_where_no_other_line_runs() -> None:
    markers = [PhaseMarker("memorized", 229, 208, None), PhaseMarker("onset", 252, None, "test")]
    slots = label_slots(markers, step_axis([0, 1, 1315]))
    assert [(slot.side, slot.tier) for slot in slots] == [("left", 0), ("right", 0)]


def test_step_0_stands_left_of_all_other_steps_and_is_labeled() -> None:
    axis = step_axis([0, 1, 10, 4000])
    left, right = axis.limits
    assert left < axis.position(0) < axis.divide < axis.position(1)
    assert axis.position(4000) < right
    assert axis.ticks[0] == (axis.position(0), "0")
    assert [label for _, label in axis.ticks] == ["0", "1", "10", "100", "1,000"]


def test_an_axis_without_step_0_has_no_place_for_it() -> None:
    axis = step_axis([200, 400, 900])
    assert not axis.has_zero
    assert [label for _, label in axis.ticks] == ["200", "500"]


@pytest.mark.parametrize("steps", [[0], [7], [0, 1], [1_000_000]])
def test_an_axis_of_a_single_step_still_has_an_extent(steps: list[int]) -> None:
    axis = step_axis(steps)
    left, right = axis.limits
    assert 0 < left < axis.position(steps[0]) < right
    assert axis.ticks
    assert all(left <= place <= right for place, _ in axis.ticks)


def test_shares_run_from_0_to_1_over_the_logarithm() -> None:
    axis = step_axis([1, 10, 100])
    assert 0 < axis.share(1) < axis.share(10) < axis.share(100) < 1
    assert axis.share(10) == pytest.approx((axis.share(1) + axis.share(100)) / 2)


def test_splits_stand_in_their_order_a_training_set_of_one_split_once_and_all_look_different() -> None:
    titles = [split.title for split in splits_of([run_of()])]
    assert titles[:3] == ["training set", IID, OOD]
    assert {"id_atomic", "ood_atomic", "train_inferred"} <= set(titles[3:])
    assert [split.title for split in splits_of([run_of("task.kind=modular")])] == ["training set", "test"]
    styles = split_styles([split.role for split in splits_of([run_of()])])
    assert len({(style.color, style.dash) for style in styles}) == len(styles)


def test_thinning_keeps_the_ends_and_a_dip_of_a_single_evaluation() -> None:
    steps = list(range(0, 20_000, 20))
    curve = [1.0] * len(steps)
    curve[500] = 0.05
    places = drawn_places(steps, [curve], 120)
    assert len(places) <= 140 < len(steps)
    assert {0, 500, len(steps) - 1} <= set(places)
    assert places == sorted(places)
    assert drawn_places(steps[:10], [curve[:10]], 120) == list(range(10))


def test_the_tables_hold_the_numbers_of_the_run() -> None:
    text = text_of(run_of())
    for part in ("Majority baseline", "40.0 %", "held out", "1,000", "first crossing", "sustained", "stable"):
        assert part in text
    for part in ("model.tie_embeddings yes", "torch 2.13.0", "budget_steps", "task.phi", "2026-11-21 09:00 UTC"):
        assert part in text
    assert re.search(r"\(\d[\d,]*, \d[\d,]*\]", text)


def test_every_button_moves_models_that_exist_and_every_chart_has_its_place() -> None:
    page = page_of(run_of())
    data = chart_data(page)
    buttons = [attributes for tag, attributes in page.elements if tag == "button" and "data-toggle" in attributes]
    toggles, items = data["toggles"], data["items"]
    assert isinstance(toggles, list)
    assert isinstance(items, list)
    assert len(buttons) == len(toggles) == 6
    models = set(re.findall(r'"id": "(m\d+)"', json.dumps(data["documents"])))
    assert all(toggle and set(toggle) <= models for toggle in toggles)
    places = {attributes["id"]: attributes for _, attributes in page.elements if attributes.get("class") == "chart"}
    assert set(items[0]["roots"].values()) == set(places)
    kinds = ("accuracy", "loss", "learning-rate", "gradient-norm", "weight-norm")
    assert set(places) == {*(f"run-0-{kind}" for kind in kinds), "published-0", "published-1"}


def test_a_few_runs_have_a_section_each_and_many_have_none() -> None:
    runs = [run_of(f"seed={seed}") for seed in range(5)]
    few, many = text_of(*runs[:4]), text_of(*runs)
    assert few.count("Final accuracy per split") == 4
    assert "How they were made" in few
    assert "Final accuracy per split" not in many
    assert "demo, seed 3" in few


def test_rows_in_which_runs_differ_come_first_and_are_marked() -> None:
    page = page_of(run_of(), run_of("model.architecture=llama", "seed=1"))
    text = page.text.partition("All that could confound a comparison")[2]
    assert text.index("model.architecture differs gpt2 llama") < text.index("model.layers 2")


@pytest.mark.parametrize(
    "run",
    [
        lambda: run_of("training.max_steps=1"),
        lambda: run_of(exit_reason="diverged"),
        lambda: lost(700, 1500),
        lambda: run_of("task.kind=modular"),
        lambda: run_of("name=$$x^2$$ @{step} {{ name }}"),
    ],
    ids=["hardly begun", "diverged", "collapsed", "one training split", "odd name"],
)
def test_unusual_runs_have_a_page_too(run: Callable[[], RunRecord]) -> None:
    page = page_of(run())
    assert "h1" in page.tags()
    assert chart_data(page)["documents"]
