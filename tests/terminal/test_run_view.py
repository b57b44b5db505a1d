"""A run's view says where the run stands, in any window, and claims nothing that is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from grokcore.terminal.run_view import run_rows
from grokcore.terminal.text import encode, row_columns
from tests.terminal.runs import OOD, facts, grokking, line

NOW = 1767225600.0  # 2026-01-01


def text(of: Any, width: int = 80, height: int = 24, *, now: float = NOW, unicode: bool = True) -> str:
    return "\n".join(encode(row, color=False) for row in run_rows(of, width, height, now=now, unicode=unicode))


@pytest.mark.parametrize("width", [1, 10, 25, 39, 40, 63, 64, 79, 120, 300])
@pytest.mark.parametrize("height", [1, 5, 15, 24, 60])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_view_fits_any_window(width: int, height: int, unicode: bool) -> None:
    for lines in (grokking(0), grokking(300), grokking()):
        rows = run_rows(facts(lines), width, height, now=NOW, unicode=unicode)
        assert len(rows) <= height
        assert all(row_columns(row) <= width for row in rows)
        if not unicode:
            assert all(part.text.isascii() for row in rows for part in row)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_what_a_reader_waits_for_is_there_at_every_width(width: int) -> None:
    shown = text(facts(grokking()), width, 40)
    assert "memorized at 200" in shown
    assert "grokked at 2,000" in shown
    assert "10.0x" in shown or "10.0 x train" in shown
    assert "4,000/4,000" in shown
    assert "1.000" in shown
    for said in ("learning rate 0.001", "weight norm 31.5", "gradient norm 0.125", "ood loss 0.5", "id_atomic 0.750"):
        assert said in shown


def test_phases_are_told_as_they_begin() -> None:
    def ood(last: int) -> str:
        return next(row for row in text(facts(grokking(last)), 120, 8).splitlines() if row.startswith("ood"))

    assert "at" not in ood(128)
    assert ood(500).endswith("> 2.5 x train")
    assert ood(1900).endswith("rising from 800, > 9.5 x train")
    assert ood(2200).endswith("grokked at 2,000, 10.0 x train")


def test_a_split_that_comes_with_the_training_set_has_not_grokked() -> None:
    shown = text(facts([line(300, memorized=200, onset=250, sustained=300)]))
    assert "generalized at 300" in shown
    assert "1.5 x train" in shown
    assert "grokked" not in shown


def test_a_live_run_has_a_rate_and_a_time_left_and_an_ended_one_a_reason() -> None:
    live, ended = facts(grokking(2000)), facts(grokking(), "budget_steps")
    assert "10 steps/s   3:20 left" in text(live)
    assert "left" not in text(ended)
    assert "ended: budget_steps" in text(ended)


def test_a_budget_of_seconds_ends_sooner() -> None:
    of = facts(grokking(2000), None, "training.max_seconds=260")
    assert "1:00 left" in text(of)


def test_silence_is_told_once_it_is_longer_than_usual() -> None:
    of = facts(grokking(2000))
    assert of.evaluated is not None
    assert "training" in text(of, now=of.evaluated + 50)
    assert "silent for 10:00" in text(of, now=of.evaluated + 600)


def test_trouble_is_told() -> None:
    checkpoints = {"last": NOW - 75, "failures": 2}
    of = facts(
        [line(300, steps_skipped=3, restarts=1, loss_scale=65536.0, clock={"checkpoints": checkpoints})], resumes=2
    )
    shown = text(of, 120)
    for said in ("checkpoint 1:15 ago, 2 saves failed", "resumed 2 times", "3 steps skipped", "walked back once"):
        assert said in shown
    assert "loss scale 65536" in shown
    assert "no checkpoint yet" in text(facts([line(300)]))


def test_the_last_checkpoint_is_known_across_a_resume() -> None:
    before = line(100, clock={"checkpoints": {"last": NOW - 60, "failures": 1}})
    after = line(200, clock={"checkpoints": {"last": None, "failures": 0}})
    shown = text(facts([before, after]))
    assert "checkpoint 1:00 ago" in shown
    assert "failed" not in shown


def peaking() -> list[dict[str, Any]]:
    lines = []
    for step in range(0, 4001, 50):
        ood = 0.9 if 150 <= step <= 300 else 0.5 if step > 300 else 0.1
        lines.append(line(step, 1.0 if step >= 200 else 0.5, ood, memorized=200 if step >= 300 else None))
    return lines


def test_an_early_peak_and_a_hopeless_curve_are_told_by_the_rules_of_behavior() -> None:
    at_once = [remark.kind for remark in facts(peaking()[:20]).remarks]
    assert at_once == ["peak"]
    late = facts(peaking() + [line(step, 1.0, 0.5, memorized=200) for step in range(4100, 9000, 100)])
    assert [remark.kind for remark in late.remarks] == ["peak", "unlikely"]
    assert f"! {OOD}: early peak of 0.90 at step 150, then 0.40 lower" in text(late, 120)


def test_a_peak_above_a_baseline_that_is_not_known_is_none() -> None:
    of = facts(peaking()[:20])
    unknown = replace(of, dataset={})
    assert unknown.remarks == []


def test_a_collapse_and_a_divergence_are_told() -> None:
    lost = facts([line(900, 1.0, 0.2, memorized=200, onset=300, sustained=500, collapsed=800)])
    assert "collapsed at 800" in text(lost)
    assert f"! {OOD}: had been learned, and was lost at step 800" in text(lost)
    wild = facts([line(900, None, None, weight_norm=None)], "diverged")
    shown = text(wild)
    assert "ended: diverged" in shown
    assert "weight norm nan" in shown
    assert "! diverged at step 900" in shown


def test_colors_say_what_words_say_and_can_be_left_out() -> None:
    rows = run_rows(facts(grokking()), 80, 24, now=NOW)
    colored = "\n".join(encode(row, color=True) for row in rows)
    assert "\x1b[32mgrokked at 2,000" in colored
    assert "\x1b" not in "\n".join(encode(row, color=False) for row in rows)


def test_what_a_name_holds_cannot_reach_the_terminal() -> None:
    of = facts(grokking())
    of.run.manifest.name = "evil\x1b[2J\nname"
    assert "\x1b" not in text(of, 120)
    assert "evil\\x1b[2J name" in text(of, 120)
