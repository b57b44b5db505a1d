"""Whether a comparison was fair: what was tuned, under which budget, as the sweep's own index tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.reporting import build_comparison
from grokcore.sweeps.index import INDEX, PointEntry, RunEntry, SweepIndex, Trial, TunedPoint
from grokcore.sweeps.spec import TuningSpec
from tests.reporting.made_up_groups import run_of, write_all
from tests.reporting.pages import Page

TUNING = {
    "search": {"training.learning_rate": {"kind": "choice", "options": [0.001, 0.003]}},
    "trials": 3,
    "steps": 250,
}


def trial(rate: float, place: str) -> Trial:
    return Trial(values={"training.learning_rate": rate}, objective=0.5, flops=1e12, places=(place,))


def index_of(runs: dict[str, str]) -> SweepIndex:
    """Points by name, each of one run by its id; the first was tuned, and one of its trials asked for twice."""
    points = []
    for number, (name, run_id) in enumerate(runs.items()):
        trials = (trial(0.001, "a"), trial(0.003, "b"), trial(0.003, "b"))
        tuned = TunedPoint(
            values={"training.learning_rate": 0.003}, objective=0.5, split="test_inferred_iid", trials=trials
        )
        entry = RunEntry(seed=0, run_id=run_id, place=f"runs/{run_id}/local", state="done")
        points.append(
            PointEntry(name=name, settings={}, dataset_id="0" * 16, runs=(entry,), tuned=None if number else tuned)
        )
    return SweepIndex(
        name="rates",
        description="Which rate?",
        claims=(),
        tuning=TuningSpec.model_validate(TUNING),
        points=tuple(points),
    )


def test_what_was_tuned_is_told_with_its_budget(tmp_path: Path) -> None:
    runs = [run_of(), run_of("model.architecture=llama")]
    write_all(runs, tmp_path)
    out = tmp_path / "sweeps" / "rates"
    out.mkdir(parents=True)
    index = index_of({run.spec.model.architecture: run.spec.run_id for run in runs})
    (out / INDEX).write_text(index.model_dump_json())
    page = Page(Path(build_comparison([tmp_path / "runs"], out).page).read_text("utf-8"))
    text = page.text.replace("\u202f", " ").replace("\u00a0", " ")
    assert "sweep rates" in text
    assert "Which rate?" in text
    assert index.points[0].tuned is not None
    assert index.points[0].tuned.flops == 2e12
    assert "0.003 3 trials of 250 steps · 2.00 TFLOP · by area of test_inferred_iid · seeds 1000" in text
    assert "adamw 512 2,000 no" in text
    assert "not recorded" not in text


def test_the_first_point_of_a_sweep_is_what_the_others_are_held_against(tmp_path: Path) -> None:
    runs = [run_of(), run_of("model.architecture=llama"), run_of("model.architecture=rwkv")]
    write_all(runs, tmp_path)
    assert "gpt2" in build_comparison([tmp_path / "runs"], tmp_path / "out").groups[0].label
    out = tmp_path / "sweeps" / "rates"
    out.mkdir(parents=True)
    named = {run.spec.model.architecture: run.spec.run_id for run in (runs[2], runs[0])}
    (out / INDEX).write_text(index_of(named).model_dump_json())
    groups = build_comparison([tmp_path / "runs"], out).groups
    assert [group.spec.model.architecture for group in groups] == ["rwkv", "gpt2", "llama"]


def test_a_damaged_index_is_one_line(tmp_path: Path) -> None:
    write_all([run_of()], tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / INDEX).write_text('{"points": 3}')
    with pytest.raises(InputError, match=r"index\.json is damaged or of another version: "):
        build_comparison([tmp_path / "runs"], tmp_path / "out")
