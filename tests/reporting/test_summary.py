"""What the report says in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grokcore.reporting.read import RunView, read_runs
from grokcore.reporting.summary import definitions, findings, outcomes
from tests.reporting.synthetic_runs import modular

Write = Callable[..., Path]


def said(view: RunView) -> dict[str, str]:
    return {f"{fact.badge} {fact.split}".strip(): fact.sentence.replace("\u202f", " ") for fact in findings(view)}


def test_a_grokked_split_says_when_how_late_and_against_what_chance(run: Write) -> None:
    (view,) = read_runs([run(recipe=modular())])
    sentence = said(view)["grokked test"]
    time = view.evaluation.held_out["test"].sustained
    assert time is not None
    assert f"held 99 % from step {time.steps:,} on (not yet at {time.after:,})" in sentence
    assert "times as late as training (training set: step" in sentence
    assert "most common answer scores 1.1 %" in sentence
    assert "memorised" in said(view)


def test_a_censored_split_is_never_dropped(run: Write) -> None:
    (view,) = read_runs([run(midpoints=(("test_inferred_iid", 400), ("test_inferred_ood", 5000)))])
    assert "did not reach 99 % within 4,000 steps" in said(view)["censored test_inferred_ood"]


def test_a_run_that_memorised_nothing_says_so(run: Write) -> None:
    (view,) = read_runs([run(recipe=modular(steps=50))])
    assert "did not reach 99 % within 50 steps" in said(view)["not memorised"]
    assert "censored test" in said(view)


def test_a_split_that_rose_with_training_is_no_grokking(run: Write) -> None:
    (view,) = read_runs([run(recipe=modular(midpoints=(("test", 130),)))])
    assert "no grokking" in said(view)["generalised test"]


def test_a_split_ahead_of_training_is_not_called_late(run: Write) -> None:
    (view,) = read_runs([run(recipe=modular(midpoints=(("test", 60),)))])
    sentence = said(view)["generalised test"]
    assert "of the training set's steps" in sentence
    assert "late" not in sentence


def test_a_collapse_and_a_divergence_are_said(run: Write) -> None:
    lost, diverged = read_runs(
        [run(recipe=modular(name="a", collapse_at=3600)), run(recipe=modular(name="b", diverged_at=900))]
    )
    assert "had collapsed by step 3,600" in said(lost)["collapsed test"]
    assert "by step 900 its loss was not finite" in said(diverged)["diverged"]


def test_an_evaluation_older_than_the_journal_is_called_outdated(run: Write) -> None:
    directory = run(recipe=modular())
    with (directory / "metrics.jsonl").open("a") as journal:
        journal.write('{"step":5000,"train":{},"splits":{"test":{"accuracy":1.0}},"phases":{},"clock":{}}\n')
    (view,) = read_runs([directory])
    assert "grokcore evaluate" in said(view)["outdated"]


def test_outcomes_count_every_run(run: Write) -> None:
    views = read_runs(
        [
            run(recipe=modular(name="a")),
            run(recipe=modular(name="b")),
            run(recipe=modular(name="c", midpoints=(("test", 9000),))),
        ]
    )
    assert outcomes(views) == [
        ("test", "of 3 runs, 2 grokked it and 1 did not hold the threshold within their budget.")
    ]


def test_the_threshold_and_the_definition_are_named(run: Write) -> None:
    text = " ".join(definitions(read_runs([run(threshold=0.97)]))).replace("\u202f", " ")
    assert "97 % counts as reached" in text
    assert "every evaluation from step t to 1.1 t, at least 3 in a row, reaches the threshold" in text
    assert "by a factor of 2 or more" in text
