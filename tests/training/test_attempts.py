"""What a run is trained with and on: a record for each attempt, and a remark where one differs from the one before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

import grokcore
from grokcore.models.fast.kernels import library
from grokcore.runs import read_journal, read_manifest
from grokcore.runs.manifest import MANIFEST
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import FileStore
from grokcore.training.step import WARM_UPS, StepGraphs


def spec(steps: int, *overrides: str) -> ExperimentSpec:
    return load_spec("smoke", ["model.width=16", f"training.max_steps={steps}", *overrides])


def train(steps: int, data: Path, run: Path, *overrides: str) -> list[str]:
    said: list[str] = []
    grokcore.train_model(spec(steps, *overrides), data, run, notify=said.append)
    return said


def remark(said: list[str]) -> str | None:
    return next((line for line in said if "other conditions" in line), None)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Look for the kernels anew, with these settings, as another process would."""

    def look_again(**environment: str) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        library.load_kernels.cache_clear()

    yield look_again
    monkeypatch.undo()
    library.load_kernels.cache_clear()


def test_every_attempt_is_kept_and_a_changed_one_is_said(smoke_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert remark(train(10, smoke_data, run)) is None
    (first,) = read_manifest(run).attempts
    assert remark(train(20, smoke_data, run)) is None
    said = remark(train(30, smoke_data, run, "training.threads=2"))
    assert said is not None
    assert "hardware.threads: 1, now 2" in said
    assert "from step 20 on it is not bit for bit" in said

    manifest = read_manifest(run)
    assert manifest.attempts[0] == first
    assert [attempt.step for attempt in manifest.attempts] == [0, 10, 20]
    assert [attempt.hardware["threads"] for attempt in manifest.attempts] == [1, 1, 2]
    assert manifest.hardware == manifest.attempts[-1].hardware
    assert (manifest.started, manifest.resumes) == (first.started, 2)


@pytest.mark.skipif(library.load_kernels() is None, reason="no C compiler here: apt-get install gcc")
def test_going_on_without_the_kernels_is_said(smoke_data: Path, tmp_path: Path, kernels: Any) -> None:
    run = tmp_path / "run"
    train(10, smoke_data, run)
    kernels(GROKCORE_KERNELS="off")
    said = remark(train(20, smoke_data, run))
    assert said is not None
    assert "execution.kernels: native, now torch" in said
    native, torch_alone = read_manifest(run).attempts
    assert len(native.execution["kernel_digest"]) == 16
    assert torch_alone.execution["kernels"] == "torch"
    assert "kernel_obstacle" not in torch_alone.execution  # nobody wanted them


def test_kernels_of_another_compiler_are_told_by_their_digest(smoke_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(10, smoke_data, run)
    manifest = read_manifest(run)
    manifest.attempts[-1].execution["kernels"] = "native"
    manifest.attempts[-1].execution["kernel_digest"] = "0" * 16
    manifest.attempts[-1].hardware["processor"] = "another processor"
    manifest.write(FileStore(run))
    said = remark(train(20, smoke_data, run))
    assert said is not None
    assert "hardware.processor: another processor, now" in said
    if library.load_kernels() is not None:
        assert f"execution.kernel_digest: {'0' * 16}, now" in said


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [("sleep 5", "was not done after 0.2 s"), ("echo 'no such -march' >&2; exit 1", "failed: no such -march")],
)
def test_kernels_that_could_not_be_compiled_are_said_and_recorded(
    compiler: str, reason: str, smoke_data: Path, tmp_path: Path, kernels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cc").write_text(f"#!/bin/sh\n{compiler}\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setattr(library, "_SECONDS", 0.2)
    kernels(CC=str(tmp_path / "cc"), XDG_CACHE_HOME=str(tmp_path / "cache"), TMPDIR=str(tmp_path))

    said = train(2, smoke_data, tmp_path / "run")

    assert [line for line in said if "in place of the C kernels" in line and reason in line]
    execution = read_manifest(tmp_path / "run").execution
    assert execution["kernels"] == "torch"
    assert reason in execution["kernel_obstacle"]


def test_the_first_attempt_of_a_run_of_an_older_version_is_what_its_manifest_says(
    smoke_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(10, smoke_data, run)
    old = json.loads((run / MANIFEST).read_text())
    del old["attempts"], old["hardware"]["instructions"]
    old["hardware"]["processor"] = "an older machine"
    (run / MANIFEST).write_text(json.dumps(old))
    said = remark(train(20, smoke_data, run))
    assert said is not None
    assert "instructions" not in said  # which nobody wrote down then
    first, second = read_manifest(run).attempts
    assert first.hardware["processor"] == "an older machine"
    assert first.started == old["started"]
    assert second.step == 10


def test_a_budget_behind_a_run_is_said_and_changes_nothing(smoke_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(20, smoke_data, run)
    written = {name: (run / name).read_bytes() for name in ("spec.yaml", "metrics.jsonl")}
    before = read_manifest(run)

    said = train(10, smoke_data, run)

    assert "the run has gone to step 20 already, beyond training.max_steps=10: it stays as it is" in said
    assert {name: (run / name).read_bytes() for name in written} == written
    after = read_manifest(run)
    assert (after.attempts, after.resumes, after.exit_reason) == (before.attempts, 0, "budget_steps")


def test_a_run_is_the_same_whatever_number_of_threads_its_process_has(smoke_data: Path, tmp_path: Path) -> None:
    """At a width and a batch at which two threads add up in another order than one."""
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run = tmp_path / str(threads)
            train(
                5,
                smoke_data,
                run,
                "training.threads=null",
                "model.width=64",
                "training.batch_size=256",
                "evaluation.interval=1",
            )
            grokcore.evaluate_model(run)
            assert torch.get_num_threads() == threads
            evaluation = json.loads((run / "evaluation.json").read_text())
            lines = [{**line, "clock": None} for line in read_journal(run / "metrics.jsonl")]
            runs.append((lines, evaluation["train"], evaluation["splits"]))
    finally:
        torch.set_num_threads(before)
    assert runs[0] == runs[1]


def test_a_step_that_is_no_cuda_graph_is_said_and_recorded(
    smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording fails as it does on a GPU; all else of the run is real."""
    said: list[str] = []

    def no_graph(graph: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand a second line")

    def on_gpu(work: Any, training: Any, device: torch.device, notify: Any) -> StepGraphs:
        return StepGraphs(work, training, torch.device("cuda"), notify)

    monkeypatch.setattr("grokcore.training.step.StepGraphs", on_gpu)
    stream = type("Stream", (), {"wait_stream": lambda self, other: None})
    for name in ("Stream", "current_stream", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda one: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", no_graph)
    at_evaluation: list[str] = []
    grokcore.train_model(
        spec(20, "evaluation.interval=1"),
        smoke_data,
        tmp_path / "run",
        notify=said.append,
        on_evaluation=lambda line: at_evaluation.append(read_manifest(tmp_path / "run").execution["cuda_graph"]),
    )
    reason = "operation not permitted when stream is capturing"
    assert [line for line in said if line.startswith("training.cuda_graph") and reason in line] == [
        f"training.cuda_graph: this step cannot be a CUDA graph ({reason}); training goes on without"
    ]
    manifest = read_manifest(tmp_path / "run")
    assert manifest.execution["cuda_graph"] == manifest.attempts[0].execution["cuda_graph"] == f"failed: {reason}"
    assert at_evaluation[: WARM_UPS + 1] == ["on"] * (WARM_UPS + 1)
    assert at_evaluation[-1] == f"failed: {reason}"  # written down when it was known, not at the end alone
