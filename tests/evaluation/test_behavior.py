"""The rules of behavior on curves that were recorded, that were published, and that were drawn by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from grokcore.evaluation.behavior import behavior_of, falls, first_warning, is_unstable, peak_and_dip, unlikely_to_grok
from grokcore.evaluation.phases import sustained
from grokcore.spec import load_spec
from tests.evaluation.made_up import Rise, record

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Recorded:
    """A run that was trained: its curves by split."""

    steps: list[int]
    curves: dict[str, list[float]]

    @property
    def memorized(self) -> int | None:
        return sustained(self.curves["train"], self.steps)

    def until(self, step: int) -> Recorded:
        """What was known of it at a step."""
        number = sum(one <= step for one in self.steps)
        return Recorded(self.steps[:number], {name: curve[:number] for name, curve in self.curves.items()})


def recorded(name: str) -> Recorded:
    document = json.loads((RECORDED / f"{name}.json").read_text())
    steps = document.pop("steps")
    return Recorded(steps, {split: curve for split, curve in document.items() if isinstance(curve, list)})


def published(points: dict[float, float], last: float) -> tuple[list[int], list[float]]:
    """A curve through points read off a plot, in thousands of steps, on log-spaced evaluations."""
    steps = sorted({round(1000 * step) for step in np.geomspace(1, last, 150)})
    known = sorted(points)
    logs = np.interp(np.log(steps), np.log([1000 * step for step in known]), [points[step] for step in known])
    return steps, [float(value) for value in logs]


GPT2_OOD = published({1: 0.45, 10: 0.87, 13: 0.88, 85: 0.81, 100: 0.81, 200: 0.93, 300: 0.975, 1000: 0.99}, 1000)
GPT2_IID = published({1: 0.45, 10: 0.92, 37: 0.91, 200: 1.0, 1000: 1.0}, 1000)
LLAMA_OOD = published({1: 0.45, 10: 0.48, 100: 0.62, 1200: 0.72, 1600: 0.90, 3000: 0.975}, 3000)
RWKV_OOD = published({1: 0.45, 200: 0.45, 400: 0.64, 820: 0.64}, 820)


def index(steps: list[int], step: int) -> int:
    return min(range(len(steps)), key=lambda place: abs(steps[place] - step))


def test_gpt2s_published_curve_peaks_dips_and_comes_back() -> None:
    steps, accuracy = GPT2_OOD
    found = peak_and_dip(accuracy, steps, index(steps, 30_000), baseline=0.475, examples=3000)
    assert found is not None
    assert found.back is not None
    assert 11_000 < steps[found.peak] < 15_000
    assert 75_000 < steps[found.dip] < 110_000
    assert found.depth == pytest.approx(0.07, abs=0.01)
    assert 100_000 < steps[found.back] < 200_000


@pytest.mark.parametrize("curve", [GPT2_IID, LLAMA_OOD, RWKV_OOD])
def test_other_published_curves_do_not(curve: tuple[list[int], list[float]]) -> None:
    steps, accuracy = curve
    assert peak_and_dip(accuracy, steps, index(steps, 10_000), baseline=0.475, examples=3000) is None


def test_a_recorded_peak_is_found_and_that_it_has_not_come_back() -> None:
    run = recorded("peak-and-dip")
    found = peak_and_dip(run.curves["test_inferred_ood"], run.steps, run.memorized, baseline=0.42, examples=500)
    assert found is not None
    assert run.steps[found.peak] == 1800
    assert found.height == pytest.approx(0.922)
    assert found.depth > 0.1
    assert found.back is None


def test_a_recorded_rise_to_grokking_has_none_and_chance_is_no_peak() -> None:
    """It was at .44 early on, and then fell to .3: what a model does that answers by the most common labels."""
    run = recorded("groks")
    curve = run.curves["test_inferred_ood"]
    assert max(curve[: index(run.steps, 200)]) - min(curve[index(run.steps, 200) : index(run.steps, 600)]) > 0.1
    assert peak_and_dip(curve, run.steps, run.memorized, baseline=0.42, examples=500) is None


def test_a_peak_needs_a_lasting_fall_of_a_size_that_its_probe_can_show() -> None:
    steps = list(range(100, 2100, 100))
    curve = [0.5, 0.7, 0.8, 0.85, 0.85] + [0.81] * 15
    assert peak_and_dip(curve, steps, 5) is not None
    assert peak_and_dip(curve, steps, 5, examples=100) is None, "of 100 examples .04 is noise"
    once = [0.5, 0.7, 0.8, 0.85, 0.85, 0.81] + [0.85] * 14
    assert peak_and_dip(once, steps, 5) is None, "one bad evaluation is no dip"
    assert peak_and_dip(curve, steps, None) is None, "nothing was memorized"
    assert peak_and_dip(curve, steps, 0) is None, "the peak came long after memorization"
    grown = [0.5, 0.7, 0.8, 0.995, 0.995, 0.995] + [0.81] * 14
    assert peak_and_dip(grown, steps, 5) is None, "that is grokking, and a collapse"


def test_a_peak_can_be_seen_while_the_run_is_still_training() -> None:
    steps, accuracy = GPT2_OOD
    place, memorized = index(steps, 60_000), index(steps, 30_000)
    found = peak_and_dip(accuracy[:place], steps[:place], memorized, baseline=0.475)
    assert found is not None
    assert found.back is None


def test_falls_are_counted_from_high_to_low() -> None:
    assert falls([0.9, 1.0, 0.8, 0.7, 0.9, 1.0, 0.9]) == [(1, 3), (5, 6)]
    assert falls([0.9, 0.88, 0.86, 0.84, 0.82]) == [(0, 4)], "a slide counts once"
    assert falls([0.9, 0.87, 0.9, 0.87, 0.9]) == []
    assert falls([1.0, None, 1.0]) == [(0, 1)]
    assert falls([]) == []


def test_what_is_learned_and_lost_again_and_again_is_unstable() -> None:
    learned = [0.2, 0.5, 0.95, 0.95]
    lost = [0.85, 0.85, 0.85, 0.96, 0.96, 0.96]
    assert is_unstable([*learned, *lost, *lost])
    assert not is_unstable([*learned, *lost]), "once may be chance"
    assert not is_unstable([*learned, 0.8, 0.96, 0.96, 0.8, 0.96, 0.96]), "single evaluations"
    assert not is_unstable([0.5, 0.3, 0.3, 0.5, 0.5, 0.3, 0.3, 0.5]), "it was never learned"


@pytest.mark.parametrize("name", ["peak-and-dip", "groks"])
def test_recorded_atomic_facts_of_transformers_are_stable(name: str) -> None:
    assert not is_unstable(recorded(name).curves["id_atomic"])


def test_a_recorded_run_without_decay_is_unlikely_to_grok_once_it_was_flat_for_long() -> None:
    run = recorded("flat")
    told = {
        step: unlikely_to_grok(part.curves["test"], part.steps, part.memorized)
        for step in (500, 2000, 5000)
        for part in [run.until(step)]
    }
    assert told == {500: False, 2000: False, 5000: True}


@pytest.mark.parametrize("name", ["groks", "peak-and-dip"])
def test_no_recorded_run_is_given_up_before_it_groks(name: str) -> None:
    run = recorded(name)
    for split in ("test_inferred_iid", "test_inferred_ood"):
        for step in run.steps:
            part = run.until(step)
            assert not unlikely_to_grok(part.curves[split], part.steps, part.memorized)


@pytest.mark.parametrize(
    ("curve", "memorized", "groks_at"),
    [(GPT2_OOD, 30_000, 1_000_000), (GPT2_IID, 30_000, 200_000), (LLAMA_OOD, 10_000, 3_000_000)],
)
def test_published_runs_that_grok_are_never_given_up(
    curve: tuple[list[int], list[float]], memorized: int, groks_at: int
) -> None:
    steps, accuracy = curve
    place = index(steps, memorized)
    for end in range(place, index(steps, groks_at)):
        assert not unlikely_to_grok(accuracy[: end + 1], steps[: end + 1], place), steps[end]


def test_the_published_plateau_that_never_groks_is_given_up() -> None:
    steps, accuracy = RWKV_OOD
    place = index(steps, 6_000)
    assert unlikely_to_grok(accuracy[: index(steps, 190_000)], steps[: index(steps, 190_000)], place)


def test_nothing_is_said_of_what_was_never_memorized_or_hardly_measured() -> None:
    steps = [1, 10, 100, 1000, 10_000]
    assert not unlikely_to_grok([0.3] * 5, steps, None)
    assert not unlikely_to_grok([0.3] * 5, steps, 1), "two evaluations in the last factor of 4"
    assert not unlikely_to_grok([], [], None)
    dense = list(range(10, 2000, 10))
    assert unlikely_to_grok([0.3] * len(dense), dense, 1)
    assert not unlikely_to_grok([0.985] * len(dense), dense, 1, threshold=0.98), "it is there"


def test_the_behavior_of_a_runs_split() -> None:
    spec = load_spec("smoke", ["training.precision=fp32", "evaluation.interval=20", "training.max_steps=2000"])
    run = record(spec, Rise(20), {"test_inferred_iid": Rise(60), "test_inferred_ood": Rise(None)})
    ood, iid = (behavior_of(run, split) for split in ("test_inferred_ood", "test_inferred_iid"))
    assert (ood.unlikely, iid.unlikely) == (True, False)
    assert (ood.peak, ood.collapsed, ood.unstable) == (None, None, False)
    assert behavior_of(run, "id_atomic").unlikely is False


@pytest.mark.parametrize(
    ("rises_at", "warned", "sustained"), [(None, True, False), (300, False, True), (3000, True, True)]
)
def test_the_first_warning_is_that_of_somebody_who_followed_the_run(
    rises_at: float | None, warned: bool, sustained: bool
) -> None:
    """A flat curve is given up after 20 times the steps to memorize, also where it rises later."""
    spec = load_spec("smoke", ["training.precision=fp32", "training.max_steps=6000"])
    run = record(spec, Rise(10), {"test_inferred_ood": Rise(rises_at)})
    step = first_warning(run, "test_inferred_ood")
    memorized, held = run.evaluation.memorized.sustained, run.evaluation.held_out["test_inferred_ood"].sustained
    assert memorized is not None
    assert (step is not None) is warned
    assert (held is not None) is sustained
    if step is not None:
        assert 20 * memorized.steps <= step < (held.steps if held is not None else 6000)
