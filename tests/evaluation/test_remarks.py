"""What is said of a run before its figures are believed."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from grokcore.data.info import SplitInfo
from grokcore.evaluation.remarks import (
    lowest_accuracy,
    rate_remarks,
    remarks_before,
    remarks_on_many,
    schedule_remarks,
    split_remarks,
)
from grokcore.reporting import build_report
from grokcore.spec import EvaluationSpec, TrainingSpec, load_spec, preset_names
from grokcore.spec.schedule import share_of_peak
from grokcore.terminal.tables import print_evaluation, print_seeds
from tests.evaluation.made_up import Rise, record, write

OOD = "test_inferred_ood"


def training(**fields: Any) -> TrainingSpec:
    return TrainingSpec(**{"max_steps": 100, **fields})


def test_a_run_that_starts_from_trained_weights_is_remarked_on() -> None:
    for parts, what in (("embedding", "the embedding"), ("all", "the weights")):
        spec = load_spec("smoke", ["model.start_from.model=weak", f"model.start_from.parts={parts}"])
        (remark,) = remarks_before(spec, {})
        assert remark.startswith(f"model.start_from takes {what} of a trained model: its steps")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"schedule": "cosine", "schedule_steps": 60},
            "training.schedule=cosine reaches learning rate 0 at step 60 of max_steps=100",
        ),
        (
            {"warmup_steps": 2000, "learning_rate": 1e-4},
            "training.warmup_steps=2,000 is not shorter than max_steps=100: the learning rate never comes to its peak",
        ),
        (
            {"schedule": "step", "drop_steps": (50, 200)},
            "training.drop_steps=[200] are not before max_steps=100: the learning rate does not drop there",
        ),
        ({"drop_steps": (50,)}, "training.drop_steps changes nothing with schedule=constant"),
        (
            {"schedule": "step", "drop_steps": (5,), "drop_on": [{"phase": "memorized"}]},
            "training.drop_on changes nothing with schedule=step",
        ),
    ],
)
def test_a_schedule_that_does_not_go_with_its_budget_is_remarked_on(fields: dict[str, Any], said: str) -> None:
    (remark,) = schedule_remarks(training(**fields))
    assert remark.startswith(said)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"warmup_steps": 99},
        {"schedule": "cosine", "schedule_steps": 100},
        {"schedule": "cosine", "schedule_steps": 1000},
        {"schedule": "linear", "schedule_steps": 60, "schedule_floor": 0.1},
        {"schedule": "step", "drop_steps": (50,)},
        {"schedule": "constant", "schedule_steps": 60},
    ],
)
def test_other_schedules_are_not(fields: dict[str, Any]) -> None:
    assert schedule_remarks(training(**fields)) == []


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_trains_steps_that_change_nothing(name: str) -> None:
    assert schedule_remarks(load_spec(name).training) == []


def split(probes: int, baseline: float = 0.4, role: str = "held_out") -> SplitInfo:
    return SplitInfo.model_validate({"role": role, "rows": probes, "probes": probes, "majority_baseline": baseline})


def test_a_split_too_small_for_the_threshold_is_remarked_on() -> None:
    rules = EvaluationSpec(threshold=0.97)
    (said,) = split_remarks(rules, {"ood": split(13), "iid": split(500), "atomic": split(13, role="train")})
    assert said.startswith("ood has 13 examples: one is worth .077 of its accuracy, and the threshold .97 allows .03; ")
    assert said.endswith("all 13 right show an accuracy of at least .794 (95 %), no more")


@pytest.mark.parametrize(
    ("threshold", "examples", "small"),
    [(0.99, 99, True), (0.99, 100, False), (0.97, 33, True), (0.97, 34, False), (1.0, 99, True), (1.0, 100, False)],
)
def test_a_split_is_small_where_a_single_mistake_misses_the_threshold(
    threshold: float, examples: int, small: bool
) -> None:
    rules = EvaluationSpec(threshold=threshold)
    assert bool(split_remarks(rules, {"ood": split(examples)})) == small


@pytest.mark.parametrize("examples", [3, 13, 100])
def test_the_uncertainty_is_the_exact_binomial_one(examples: int) -> None:
    interval = stats.binomtest(examples, examples, alternative="greater").proportion_ci(0.95, method="exact")
    assert lowest_accuracy(examples) == pytest.approx(interval.low)


def test_a_threshold_that_the_most_common_answer_reaches_is_remarked_on() -> None:
    (said,) = split_remarks(EvaluationSpec(threshold=0.4), {"ood": split(1000, baseline=0.475)})
    assert said.startswith("ood: always giving the most common answer scores .475 and reaches the threshold .4")


COSINE = ("training.schedule=cosine", "training.schedule_steps=60", "training.warmup_steps=10")


def made(*overrides: str, at: float | None = 20) -> Any:
    return record(load_spec("smoke", overrides), Rise(5), {OOD: Rise(at)}).evaluation


def test_an_evaluation_says_how_much_of_the_rate_was_left_when_each_split_was_sustained() -> None:
    evaluation = made(*COSINE)
    time = evaluation.held_out[OOD].sustained
    spec = load_spec("smoke", COSINE).training
    assert time.learning_rate_share == share_of_peak(time.steps, spec)
    assert 0.5 < time.learning_rate_share < 1
    (about_ood,) = [remark for remark in evaluation.remarks if remark.startswith(OOD)]
    left = f"{100 * time.learning_rate_share:.0f} % of the peak learning rate left (schedule cosine)"
    assert about_ood.startswith(f"{OOD}: sustained from step {time.steps} on, with {left}; ")
    assert about_ood.endswith("may be the schedule's own: hold it against a constant rate")
    assert any(remark.startswith("training set: sustained from step ") for remark in evaluation.remarks)


def test_a_constant_rate_gives_no_remark_unless_it_was_still_warming_up() -> None:
    assert rate_remarks([made("training.warmup_steps=2")]) == []
    assert made("training.warmup_steps=2").held_out[OOD].sustained.learning_rate_share == 1
    (said,) = rate_remarks([made("training.warmup_steps=9")])
    assert said.startswith("training set: sustained from step 6 on, with ")
    assert "(still warming up)" in said


def test_several_runs_share_their_remarks_and_show_the_range() -> None:
    evaluations = [made(*COSINE, f"seed={seed}", at=at) for seed, at in enumerate((20, 30, None))]
    (about_ood,) = [remark for remark in remarks_on_many(evaluations) if remark.startswith(OOD)]
    first, second = (one.held_out[OOD].sustained.steps for one in evaluations[:2])
    assert f"sustained from step {first} to {second} on in 2 runs, with " in about_ood
    assert " % to " in about_ood
    assert len(remarks_on_many(evaluations)) == len(set(remarks_on_many(evaluations)))


def test_what_is_known_before_the_first_step_is_in_the_evaluation_too() -> None:
    spec = load_spec("smoke", [*COSINE, "training.max_steps=80"])
    before = remarks_before(spec, {OOD: split(1000)})
    assert before == schedule_remarks(spec.training)
    assert made(*COSINE, "training.max_steps=80").remarks[0] == before[0]


def shown_of(number: int, tmp_path: Path) -> str:
    """The text of a report of so many runs under a falling rate."""
    specs = [load_spec("smoke", [*COSINE, f"seed={seed}"]) for seed in range(number)]
    made_up = [record(spec, Rise(5), {OOD: Rise(20 + 5 * seed)}) for seed, spec in enumerate(specs)]
    runs = [write(run, tmp_path / str(seed)) for seed, run in enumerate(made_up)]
    build_report(runs, tmp_path / "report.html")
    return html.unescape((tmp_path / "report.html").read_text())


def test_the_report_of_a_run_says_how_much_of_the_rate_was_left(tmp_path: Path) -> None:
    shown = shown_of(1, tmp_path)
    assert all(remark in shown for remark in made(*COSINE).remarks)


def test_the_report_of_many_runs_says_it_once_over_all_of_them(tmp_path: Path) -> None:
    shown = shown_of(5, tmp_path)
    assert re.search(rf"{OOD}: sustained from step \d+ to \d+ on in 5 runs, with \d+ % to \d+ % of the peak", shown)


def test_the_terminal_says_it_of_one_run_and_of_several_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    evaluations = {str(seed): made(*COSINE, f"seed={seed}", at=20 + 5 * seed) for seed in range(3)}
    print_evaluation(evaluations["0"].model_dump(mode="json"))
    assert all(f"  {remark}\n" in capsys.readouterr().out for remark in evaluations["0"].remarks[:1])
    print_seeds(evaluations, "smoke")
    assert re.search(rf"{OOD}: sustained from step \d+ to \d+ on in 3 runs", capsys.readouterr().out)
