"""Phases that are judged line by line are those of the whole journal, at a cost that does not grow with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokcore.evaluation import phases_of
from grokcore.evaluation.incremental import PhaseTracker
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.spec.schedule import phase_drops

SPLITS = ("a", "b")

SPECS = [
    ["evaluation.sustain=2"],
    ["evaluation.sustain=3", "evaluation.window=1.0", "evaluation.onset_rise=0.3"],
    ["training.schedule=linear", "training.schedule_steps=40", "training.warmup_steps=0", "evaluation.sustain=2"],
    [
        *("training.schedule=phase", "training.drop_factor=1e-322", "training.warmup_steps=0", "evaluation.sustain=2"),
        "training.drop_on=[{phase: memorized}]",
    ],
    [
        *("training.schedule=phase", "training.drop_factor=1e-322", "training.warmup_steps=15", "evaluation.sustain=2"),
        "training.drop_on=[{phase: onset, split: test_inferred_iid}, {phase: sustained, split: test_inferred_ood}]",
    ],
]


def line(step: int, accuracies: tuple[float | None, ...], skipped: int, names: tuple[str, ...]) -> dict[str, Any]:
    train, *held_out = accuracies
    splits = {name: {"accuracy": value} for name, value in zip(names, held_out, strict=True)}
    return {"step": step, "train": {"accuracy": train}, "splits": splits, "steps_skipped": skipped}


accuracy = st.sampled_from([None, 0.0, 0.3, 0.6, 0.94, 0.96, 0.98, 0.99, 1.0, 1.0, 1.0])
evaluations = st.lists(
    st.tuples(st.integers(1, 12), st.tuples(accuracy, accuracy, accuracy), st.integers(0, 6)), min_size=1, max_size=40
)


@settings(max_examples=300, deadline=None)
@given(drawn=evaluations, number=st.integers(0, len(SPECS) - 1), back=st.integers(0, 60))
def test_line_by_line_is_as_all_at_once(drawn: list[Any], number: int, back: int) -> None:
    spec: ExperimentSpec = load_spec("smoke", SPECS[number])
    names = spec.task.held_out_splits[:2]
    judge, lines, step, skipped = PhaseTracker(names, spec), list[dict[str, Any]](), 0, 0
    for place, (further, accuracies, more) in enumerate(drawn):
        if place == back:  # training walks back to a checkpoint
            lines = lines[: place // 2]
            step, skipped = (lines[-1]["step"], lines[-1]["steps_skipped"]) if lines else (0, 0)
        step, skipped = step + further, skipped + min(more, further)
        new = line(step, accuracies, skipped, tuple(names))
        new["phases"] = judge.judge(lines, new)
        assert new["phases"] == phases_of([*lines, new], names, spec)
        assert judge.drops(new) == phase_drops([*lines, new], spec.training)
        lines.append(new)


class Counted(dict[str, Any]):
    reads = 0

    def __getitem__(self, key: str) -> Any:
        Counted.reads += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("grows", [True, False], ids=["groks", "never groks"])
def test_the_cost_of_a_long_journal_is_that_of_its_lines(grows: bool) -> None:
    spec = load_spec("smoke")
    names = spec.task.held_out_splits[:2]

    def reads(number: int) -> int:
        judge, lines = PhaseTracker(names, spec), list[Counted]()
        Counted.reads = 0
        for step in range(1, number + 1):
            value = 1.0 if grows and step > number // 2 else 0.5
            new = Counted(line(step, (1.0, value, value), 0, tuple(names)))
            new["phases"] = judge.judge(lines, new)
            lines.append(new)
        return Counted.reads

    short, long = reads(2_000), reads(20_000)
    assert long <= 10.5 * short
    assert long <= 20 * 20_000
