"""Several seeds at once: each an ordinary run, equal to its own single run, whatever happens to the others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import grokcore
from grokcore.cli import main
from grokcore.errors import AbsentError, GrokcoreError, InputError, StoppedError, TransientError
from grokcore.runs import read_journal, read_manifest
from grokcore.runs.resume import decode_outcome, encode_outcome
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.training import TrainResult
from grokcore.training.seeds import pool
from grokcore.training.seeds.jobs import Job, decode_job, encode_job
from grokcore.training.seeds.train import Strategy, train_seeds
from tests.support.checks import PATIENCE, wait_until, without_clock
from tests.support.extended import extended

SEEDS = (0, 1, 4)
Start = Callable[..., subprocess.Popen[str]]


def specs(*overrides: str, seeds: tuple[int, ...] = SEEDS) -> list[ExperimentSpec]:
    """The spec leaves its threads open, as users' specs do."""
    common = ["training.threads=null", "training.max_steps=30", *overrides]
    return [load_spec("smoke", [*common, f"seed={seed}"]) for seed in seeds]


@pytest.fixture(scope="module")
def trained(smoke_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds, trained together in processes; read only."""
    out = tmp_path_factory.mktemp("seeds")
    heard: list[tuple[int, int]] = []
    results = train_seeds(specs(), smoke_data, out, on_evaluation=lambda seed, line: heard.append((seed, line["step"])))
    assert results == [TrainResult(str(out / f"seed-{seed}"), "budget_steps", 30) for seed in SEEDS]
    for seed in SEEDS:
        steps = [line["step"] for line in read_journal(out / f"seed-{seed}" / "metrics.jsonl")]
        assert [step for one, step in heard if one == seed] == steps
    return out


def test_each_seed_equals_its_own_single_run_bit_for_bit(trained: Path, smoke_data: Path, tmp_path: Path) -> None:
    """On a CPU, with as many threads: one each by default."""
    weights = []
    for spec in specs("training.threads=1"):
        run, alone = trained / f"seed-{spec.seed}", tmp_path / f"seed-{spec.seed}"
        grokcore.train_model(spec, smoke_data, alone)
        assert without_clock(run) == without_clock(alone)
        weights.append(load_file(run / "model" / "model.safetensors"))
        expected = load_file(alone / "model" / "model.safetensors")
        assert expected.keys() == weights[-1].keys()
        assert all(torch.equal(weights[-1][name], expected[name]) for name in expected)
        assert read_manifest(run).run_id == read_manifest(alone).run_id
        assert read_manifest(run).hardware["threads"] == 1
    first, second = weights[:2]
    assert any(not torch.equal(first[name], second[name]) for name in first), "seeds must differ"


def test_their_specs_are_those_of_single_runs(trained: Path, smoke_data: Path, tmp_path: Path) -> None:
    spec = specs(seeds=(4,))[0]
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    assert (trained / "seed-4" / "spec.yaml").read_text() == (tmp_path / "run" / "spec.yaml").read_text()


def test_seeds_share_one_dataset(trained: Path) -> None:
    manifests = [read_manifest(trained / f"seed-{seed}") for seed in SEEDS]
    assert len({manifest.dataset.id for manifest in manifests}) == 1
    assert len({(manifest.seeds["init"], manifest.seeds["order"]) for manifest in manifests}) == len(SEEDS)


def test_their_directories_are_ordinary(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [tmp_path / f"seed-{seed}" for seed in SEEDS]
    for run in runs:
        shutil.copytree(trained / run.name, run)
        assert main(["watch", str(run)]) == 0
    assert "budget_steps at step 30" in capsys.readouterr().out
    assert main(["evaluate", *map(str, runs)]) == 0
    shown = capsys.readouterr().out
    assert "3 runs that differ only in their seed" in shown
    assert all((run / "evaluation.json").exists() for run in runs)
    assert main(["report", *map(str, runs), "--out", str(tmp_path / "report.html")]) == 0


def test_finished_seeds_stay_as_they_are_and_new_ones_join_them(
    trained: Path, smoke_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    heard: set[int] = set()
    common = ["training.threads=1"]  # in sequence, in this process: what is trained is the same
    train_seeds(
        specs(*common, seeds=(1, 2)),
        smoke_data,
        out,
        strategy="sequence",
        on_evaluation=lambda seed, _: heard.add(seed),
    )
    assert heard == {2}
    assert without_clock(out / "seed-1") == without_clock(trained / "seed-1")
    assert len(without_clock(out / "seed-2")) == len(without_clock(out / "seed-1"))


@pytest.fixture
def start(smoke_data: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command for seeds 0 and 1; whatever a failed test leaves running is killed."""
    started: list[subprocess.Popen[str]] = []

    def launch(out: Path, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "grokcore", "train", "smoke", "--data", str(smoke_data), "--out", str(out)]
        command += ["--seeds", "0,1", "--set", "training.checkpoint_interval=null", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield launch
    for process in started:
        for pid in [*children(process.pid), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def children(parent: int) -> list[int]:
    """The processes that train seeds for `parent`, as the kernel sees them; pytest has other children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"grokcore.training.seeds.worker" in command:  # a zombie has no command line
            found.append(int(stat.parent.name))
    return found


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def evaluations(run: Path) -> int:
    return len(read_journal(run / "metrics.jsonl")) if (run / "metrics.jsonl").exists() else 0


@pytest.mark.extended
def test_a_signal_saves_every_seed_and_the_same_command_goes_on(start: Start, smoke_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(out, "--set", "training.max_steps=1000000")
    wait_until(lambda: evaluations(out / "seed-0") > 8)
    workers = children(process.pid)
    assert workers
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "the same command goes on from there" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert not any(running(pid) for pid in workers)
    assert read_manifest(out / "seed-0").exit_reason == "stopped"

    steps = [int(place.name[5:]) for place in out.glob("seed-*/checkpoints/step-*")]
    budget = f"training.max_steps={max(steps) + 5}"
    process = start(out, "--set", budget)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    assert f"seed 0: resuming at step {min(steps)}" in stderr or f"seed 0: resuming at step {max(steps)}" in stderr
    assert f"2 runs at {out}" in stdout
    for seed in (0, 1):
        grokcore.train_model(load_spec("smoke", [budget, f"seed={seed}"]), smoke_data, tmp_path / f"whole-{seed}")
        assert without_clock(out / f"seed-{seed}") == without_clock(tmp_path / f"whole-{seed}")


@pytest.mark.extended
def test_no_process_outlives_a_parent_that_is_killed(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path, "--set", "training.max_steps=1000000")
    wait_until(lambda: evaluations(tmp_path / "seed-0") > 2)
    workers = children(process.pid)
    assert workers
    process.kill()
    process.wait()
    try:
        wait_until(lambda: not any(running(pid) for pid in workers))
    finally:
        for pid in filter(running, workers):
            os.kill(pid, signal.SIGKILL)
    assert read_manifest(tmp_path / "seed-0").exit_reason == "stopped"
    assert list((tmp_path / "seed-0" / "checkpoints").glob("step-*"))


@pytest.mark.extended
def test_a_second_signal_is_not_waited_for(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path, "--set", "training.max_steps=1000000")
    wait_until(lambda: evaluations(tmp_path / "seed-0") > 2)
    workers = children(process.pid)
    os.kill(workers[0], signal.SIGSTOP)  # one that would be waited for
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(timeout=PATIENCE) == 143
    finally:
        for pid in filter(running, workers):
            os.kill(pid, signal.SIGKILL)


def test_a_seed_that_fails_leaves_the_others_alone(
    trained: Path, smoke_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the checkpoints of seed 1 should go, a file is in the way: found out only when it saves."""
    shutil.copytree(trained / "seed-1", tmp_path / "seed-1")
    shutil.rmtree(tmp_path / "seed-1" / "checkpoints")
    (tmp_path / "seed-1" / "checkpoints").touch()
    steps = ["--set", "training.threads=null", "--set", "training.max_steps=30"]
    code = main(["train", "smoke", *steps, "--data", str(smoke_data), "--out", str(tmp_path), "--seeds", "0..1,4"])
    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert lines[-1] == "grokcore: 1 of 3 seeds failed (1); the other runs are complete"
    (failed,) = [line for line in lines if line.startswith("grokcore: seed 1 failed: cannot write")]
    assert "checkpoints" in failed
    for seed in (0, 4):
        assert without_clock(tmp_path / f"seed-{seed}") == without_clock(trained / f"seed-{seed}")


@pytest.mark.extended
def test_a_process_that_is_lost_is_replaced_and_its_seed_can_go_on(
    trained: Path, smoke_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "usable_cores", lambda: [min(os.sched_getaffinity(0))])  # one process at a time
    ends: dict[int, TrainResult | GrokcoreError] = {}

    def kill(seed: int, line: dict[str, Any]) -> None:
        if seed == 0 and line["step"] == 0:
            (worker,) = children(os.getpid())
            os.kill(worker, signal.SIGKILL)

    with pytest.raises(TransientError, match=r"1 of 2 seeds failed \(0\)"):
        train_seeds(specs(seeds=(0, 1)), smoke_data, tmp_path, on_evaluation=kill, on_end=ends.__setitem__)
    assert "killed by SIGKILL" in str(ends[0])
    assert without_clock(tmp_path / "seed-1") == without_clock(trained / "seed-1")


def in_sequence(data: Path, out: Path, **options: Any) -> list[TrainResult]:
    few = specs("training.threads=1", "training.max_steps=5", "training.warmup_steps=2", seeds=(0, 1, 2))
    return train_seeds(few, data, out, strategy="sequence", **options)


def test_seeds_one_after_another_in_this_process(smoke_data: Path, tmp_path: Path) -> None:
    ended: list[int] = []
    results = in_sequence(smoke_data, tmp_path, on_end=lambda seed, _: ended.append(seed))
    assert [result.step for result in results] == [5, 5, 5]
    assert ended == [0, 1, 2]


def test_what_is_odd_about_all_seeds_is_told_once(smoke_data: Path, tmp_path: Path) -> None:
    slow = specs("training.threads=1", "training.max_steps=2", seeds=(0, 1))
    said: list[str] = []
    train_seeds(slow, smoke_data, tmp_path, strategy="sequence", notify=said.append)
    (remark,) = said
    assert remark.startswith("training.warmup_steps=10 is not shorter than max_steps=2")


def test_after_a_signal_no_further_seed_begins(smoke_data: Path, tmp_path: Path) -> None:
    def stop(seed: int, line: dict[str, Any]) -> None:
        if seed == 1 and line["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError, match="2 of 3 seeds unfinished"):
        in_sequence(smoke_data, tmp_path, on_evaluation=stop)
    assert not (tmp_path / "seed-2").exists()
    said: list[str] = []
    in_sequence(smoke_data, tmp_path, notify=said.append)
    assert said == ["seed 0: resuming at step 5", "seed 1: resuming at step 2"]


def test_a_bug_in_one_seed_is_told_and_stops_no_other(
    smoke_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(seed: int, line: dict[str, Any]) -> None:
        if seed == 1:
            raise KeyError("a\nbug")

    said: list[str] = []
    with pytest.raises(GrokcoreError, match="1 of 3 seeds failed") as caught:
        in_sequence(smoke_data, tmp_path, on_evaluation=break_down, notify=said.append)
    assert caught.value.exit_code == 1
    assert said == [r"seed 1 failed: a bug in grokcore, whose traceback stands above: KeyError: 'a\nbug'"]
    assert "Traceback" in capsys.readouterr().err
    assert (tmp_path / "seed-2" / "model").exists()


@pytest.mark.parametrize("strategy", ["processes", "sequence"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"specs": []}, "there is no seed"),
        ({"specs": specs(seeds=(1, 1))}, "named twice"),
        ({"specs": [*specs(seeds=(0,)), *specs("model.layers=2", seeds=(1,))]}, "differ in nothing but their seed"),
        ({"specs": specs("model.seed=5", "training.seed=6")}, "model.seed and training.seed are both set"),
        ({"specs": specs("training.precision=fp16", "training.device=cpu")}, "fp16 needs a CUDA GPU"),
        ({"specs": specs("task.seed=3")}, "the spec needs"),
        ({"data": "nowhere"}, "there is no dataset"),
        ({"resume": "require"}, "no run to resume"),
        ({"resume": "perhaps"}, "resume='perhaps' is not known"),
        ({"strategy": "magic"}, "strategy='magic' is not known"),
    ],
)
def test_what_is_wrong_with_all_seeds_is_found_before_any_is_trained(
    strategy: Strategy, change: dict[str, Any], said: str, smoke_data: Path, tmp_path: Path
) -> None:
    call = {"specs": specs(), "data": smoke_data, "out": tmp_path / "out", "strategy": strategy, **change}
    with pytest.raises(InputError, match=said):
        train_seeds(**call)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("strategy", [extended("processes"), "sequence"])
def test_each_seed_may_have_a_place_of_its_own(strategy: Strategy, smoke_data: Path, tmp_path: Path) -> None:
    specs = [load_spec("smoke", [f"seed={seed}", "training.max_steps=10"]) for seed in (0, 1)]
    places = [tmp_path / "one" / "a", tmp_path / "other" / "b"]
    results = train_seeds(specs, smoke_data, places, strategy=strategy)
    assert [Path(result.run_uri) for result in results] == places
    assert [read_manifest(place).run_id for place in places] == [spec.run_id for spec in specs]
    with pytest.raises(InputError, match="2 seeds and 1 places"):
        train_seeds(specs, smoke_data, places[:1])


def test_the_directory_of_a_run_is_no_place_for_runs(trained: Path, smoke_data: Path) -> None:
    with pytest.raises(InputError, match="is a run itself"):
        train_seeds(specs(), smoke_data, trained / "seed-0")
    assert not list((trained / "seed-0").glob("seed-*"))


@pytest.mark.parametrize(
    ("usable", "quota", "jobs", "threads", "expected"),
    [
        (8, None, 8, 1, [[0], [1], [2], [3], [4], [5], [6], [7]]),
        (4, None, 9, 1, [[0], [1], [2], [3]]),
        (8, None, 2, 1, [[0, 1, 2, 3], [4, 5, 6, 7]]),  # each has cores to itself, and all are used
        (8, None, 9, 3, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (3, None, 9, 2, [[0, 1, 2]]),
        (2, None, 5, 4, [[0, 1]]),  # more threads than cores: one process
        (4, 2.0, 9, 1, [[0, 1], [2, 3]]),  # a container that may use two of four cores' time
        (4, 0.5, 9, 1, [[0, 1, 2, 3]]),
    ],
)
def test_processes_share_the_cores_equally(
    usable: int, quota: float | None, jobs: int, threads: int, expected: list[list[int]], monkeypatch: Any
) -> None:
    monkeypatch.setattr(pool, "usable_cores", lambda: list(range(usable)))
    monkeypatch.setattr(pool, "cpu_quota", lambda: quota)
    assert [sorted(share) for share in pool.core_shares(jobs, threads)] == expected


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "250000 100000\n"}, 2.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_containers_limit_is_read_from_its_control_group(
    files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert pool.cpu_quota(tmp_path) == quota


def test_jobs_and_outcomes_travel_unchanged() -> None:
    spec = load_spec("thesis-mamba", ["seed=123456789012345678", "training.max_seconds=.1"])
    job = Job(spec, "data", "run", "auto")
    assert decode_job(json.loads(encode_job(job))) == job
    result = TrainResult("run", "grokked", 7)
    assert decode_outcome(encode_outcome(result)) == result
    for error in (GrokcoreError("a"), InputError("b"), TransientError("c"), StoppedError("d")):
        back = decode_outcome(encode_outcome(error))
        assert (type(back), str(back)) == (type(error), str(error))
    assert type(decode_outcome(encode_outcome(AbsentError("e")))) is InputError, "what decides the exit code"
