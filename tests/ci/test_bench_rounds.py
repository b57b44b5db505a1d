"""How the benchmark takes turns among variants, and what becomes of a worker that fails or is killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.benchmarks import machine, rounds
from ci.benchmarks.__main__ import main
from ci.benchmarks.cases import Case
from ci.benchmarks.rounds import Effort, Entry, measure, paired_ratio
from ci.benchmarks.work import Work
from ci.benchmarks.worker import Burst, Job, Worker, WorkerError

WORK = Work(examples=64, supervised_tokens=64, block_parameters=1000, gradient_norm=1.5)


class ScriptedWorker:
    """Takes the time that a test says, and writes down when it was told to train."""

    seconds: Callable[[str], float]
    calls: list[tuple[str, int]]

    def __init__(self, job: Job) -> None:
        self.job = job

    def __enter__(self) -> ScriptedWorker:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_until_ready(self) -> dict[str, str]:
        return {}

    def train(self, steps: int) -> Burst:
        self.calls.append((self.job.variant, steps))
        return Burst(type(self).seconds(self.job.variant), 1, WORK)

    def profile(self, steps: int) -> dict[str, float]:
        return {"aten::mm": 1.0}


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedWorker]:
    monkeypatch.setattr(rounds, "Worker", ScriptedWorker)
    monkeypatch.setattr(machine, "peak_flops", lambda *_: {"fp32": 1e11})
    ScriptedWorker.calls = []
    return ScriptedWorker


def run_quickly(out: Path, *, losses: str, variants: str) -> tuple[int, Path]:
    """The exit code of `ci/bench` on the smallest model, and the file that it wrote."""
    asked = "--quick --models smoke --precisions fp32 --parts steps"
    code = main([*asked.split(), "--losses", losses, "--variants", variants, "--out", str(out)])
    (path,) = out.glob("*.json")
    return code, path


def measured(case: Case, *variants: str, effort: Effort) -> list[rounds.Timing]:
    entries = [Entry(name, "fp32") for name in variants]
    return list(measure(case, entries, Path("nowhere"), device="cpu", threads=1, effort=effort))[-1]


def test_variants_take_turns_and_slow_ones_fewer(scripted: type[ScriptedWorker]) -> None:
    scripted.seconds = lambda variant: 8.0 if variant == "reference" else 0.1
    case, effort = Case("smoke", "gpt2", "answer"), Effort(repeats=3, burst_seconds=1, most_seconds=17)
    slow, fast = measured(case, "reference", "fast", effort=effort)
    warm_up = [("reference", 1), ("fast", 1), ("fast", 3)]
    turns = [("reference", 1), ("fast", 10), ("reference", 1), ("fast", 10), ("fast", 10)]
    assert scripted.calls == warm_up + turns
    assert (len(slow.seconds), len(fast.seconds)) == (2, 3)
    assert paired_ratio(slow.seconds, fast.seconds) == pytest.approx(80)


def test_a_worker_that_cannot_train_says_why(tmp_path: Path) -> None:
    spec = Case("smoke", "gpt2", "answer").spec("training.device=cpu", "training.precision=fp32", "training.threads=1")
    why = "fast of smoke failed: AbsentError: there is no dataset at"
    with Worker(Job("fast", spec, tmp_path / "nowhere")) as worker, pytest.raises(WorkerError, match=why):
        worker.wait_until_ready()


def test_a_ratio_pairs_the_repeats_of_one_round() -> None:
    assert paired_ratio([10.0, 100.0, 30.0], [1.0, 10.0, 1.0]) == 10


def test_a_run_that_is_killed_keeps_what_it_had(
    scripted: type[ScriptedWorker], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt_in_the_third_round(variant: str) -> float:
        if len(scripted.calls) > 2 * 2 + 2 * 2:
            raise KeyboardInterrupt
        return 0.5

    scripted.seconds = interrupt_in_the_third_round
    code, path = run_quickly(tmp_path, losses="answer", variants="transformers,fast")
    assert code == 143
    assert "what was measured so far" in capsys.readouterr().err
    rows = json.loads(path.read_text())["rows"]
    assert [(row["variant"], len(row["milliseconds_per_step"]["repeats"])) for row in rows] == [
        ("transformers", 2),
        ("fast", 2),
    ]


def test_a_case_that_fails_leaves_the_others(
    scripted: type[ScriptedWorker], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_at_first(variant: str) -> float:
        if len(scripted.calls) == 1:
            raise WorkerError(f"{variant} of smoke died: the machine has too little memory")
        return 0.5

    scripted.seconds = fail_at_first
    code, path = run_quickly(tmp_path, losses="answer,answer_and_eos", variants="fast")
    assert code == 1
    assert "1 of the cases failed" in capsys.readouterr().err
    found = json.loads(path.read_text())
    assert found["failures"] == ["smoke gpt2, loss on answer: fast of smoke died: the machine has too little memory"]
    assert [row["loss_on"] for row in found["rows"]] == ["answer_and_eos"]
    assert "too little memory" in path.with_suffix(".md").read_text()
