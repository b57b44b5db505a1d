"""Checkpoints: complete or not there, kept as asked, and saved while training goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

import grokcore
from grokcore.errors import GrokcoreError, InputError, TransientError
from grokcore.runs import JOURNAL, read_journal
from grokcore.runs.checkpoints import (
    LATEST,
    CheckpointManifest,
    files_by_step,
    manifest_key,
    read_checkpoint_manifest,
)
from grokcore.runs.lease import FencedStore
from grokcore.spec import load_spec
from grokcore.storage import FileStore, Store, open_store
from grokcore.training.background import Background
from grokcore.training.checkpoints import saving as writing
from grokcore.training.checkpoints.checkpoint import Checkpoint, Snapshot, load_checkpoint
from grokcore.training.checkpoints.retention import Retention
from grokcore.training.checkpoints.saving import MAX_FAILURES, CheckpointWriter, save_checkpoint
from tests.support.checks import without_clock


def state(step: int, value: float | None = None) -> Checkpoint:
    weight = torch.full((4,), float(step) if value is None else value)
    return Checkpoint("run", step, {"model.weight": weight}, {"elapsed_seconds": 0.0, "restarts": 0}, b"")


def steps(store: Store) -> list[int]:
    return list(files_by_step(store))


def test_the_manifest_names_all_files_and_is_enough_to_find_them(store_uri: str) -> None:
    store = open_store(store_uri)
    manifest = save_checkpoint(store, state(1000), ["memorized"])
    assert manifest == read_checkpoint_manifest(store, 1000)
    assert manifest.milestones == ("memorized",)
    folder = f"step-00001000/{manifest.attempt}"
    names = [f"{folder}/{name}" for name in ("metrics.jsonl", "state.json", "state.safetensors")]
    assert [file.key for file in store.files()] == sorted([LATEST, *names, manifest_key(1000)])
    assert store.read(LATEST) == b"step-00001000\n"
    store.delete(LATEST)  # a hint only
    found, skipped = load_checkpoint(store, "run")
    assert found is not None
    assert (found.step, skipped) == (1000, [])


def test_a_good_checkpoint_is_left_alone_and_a_damaged_one_replaced(store_uri: str) -> None:
    store = open_store(store_uri)
    first = save_checkpoint(store, state(10))
    assert save_checkpoint(store, state(10)) == first
    store.write(first.key_of("state.json"), b"{}")
    second = save_checkpoint(store, state(10))
    assert second.attempt != first.attempt
    Retention(last=1).apply(store)
    assert not any(first.attempt in file.key for file in store.files())
    found, _ = load_checkpoint(store, "run")
    assert found is not None
    assert torch.equal(found.tensors["model.weight"], torch.full((4,), 10.0))


def test_the_checkpoints_of_another_run_are_not_taken(store_uri: str) -> None:
    store = open_store(store_uri)
    save_checkpoint(store, state(10))
    found, skipped = load_checkpoint(store, "another")
    assert found is None
    assert skipped == ["checkpoint step-00000010 was skipped: it belongs to run run"]


def test_a_store_that_lost_what_was_written_makes_no_checkpoint(tmp_path: Path) -> None:
    class Forgetful(FencedStore):
        def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
            if not key.endswith("state.json"):
                super().upload(source, key, sha256=sha256, move=move)

    with pytest.raises(TransientError, match=r"state\.json was written and is not there"):
        save_checkpoint(Forgetful(FileStore(tmp_path), lambda: None), state(10))
    assert load_checkpoint(FileStore(tmp_path), "run")[0] is None


def test_the_last_few_are_kept_and_milestones_and_every_nth(store_uri: str) -> None:
    store, retention = open_store(store_uri), Retention(last=2, every=30)
    for step in range(10, 110, 10):
        save_checkpoint(store, state(step), ["memorized"] if step == 20 else [])
        retention.apply(store)
    assert steps(store) == [20, 30, 60, 90, 100]
    Retention(last=1).apply(store)
    assert steps(store) == [20, 100]


def test_states_that_have_diverged_push_out_no_good_one(tmp_path: Path) -> None:
    store, retention = FileStore(tmp_path), Retention(last=2)
    for step in range(10, 70, 10):
        save_checkpoint(store, state(step, float("nan") if step > 30 else None))
        retention.apply(store)
    assert steps(store) == [20, 30, 60]
    found, _ = load_checkpoint(store, "run", finite=True)
    assert found is not None
    assert found.step == 30


def test_what_unfinished_saves_have_left_is_removed(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    save_checkpoint(store, state(10))
    store.write("step-00000007/abc/state.json", b"{}")
    store.write("step-00000010/abc/state.json", b"{}")
    store.write("step-00000020/abc/state.json", b"{}")
    Retention(last=2).apply(store)
    assert [file.key.partition("/")[0] for file in store.files()] == [LATEST, *["step-00000010"] * 4]


class Obstinate(FencedStore):
    """A store whose writes wait for `open`, and fail with the errors in `failures`, one after the other."""

    def __init__(self, store: Store) -> None:
        self.failures: list[GrokcoreError] = []
        self.open = threading.Event()
        self.open.set()
        super().__init__(store, self.obstruct)

    def obstruct(self) -> None:
        assert self.open.wait(30)
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def obstinate(tmp_path: Path) -> Obstinate:
    return Obstinate(FileStore(tmp_path))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def writer(obstinate: Obstinate, said: list[str]) -> Iterator[CheckpointWriter]:
    background = Background()
    yield CheckpointWriter(obstinate, background, Retention(last=9), said.append)
    background.close()


def test_training_goes_on_while_a_state_is_saved_and_changes_nothing_of_it(
    obstinate: Obstinate, writer: CheckpointWriter
) -> None:
    live = state(10)
    obstinate.open.clear()
    writer.save(live)
    live.tensors["model.weight"].fill_(-1)
    obstinate.open.set()
    writer.wait()
    found, _ = load_checkpoint(obstinate, "run")
    assert found is not None
    assert torch.equal(found.tensors["model.weight"], torch.full((4,), 10.0))


def test_of_the_states_that_wait_the_newest_is_saved_with_the_milestones_of_all(
    obstinate: Obstinate, writer: CheckpointWriter
) -> None:
    obstinate.open.clear()
    writer.save(state(10))
    while writer._waiting:
        pass
    for step in (20, 30, 40):
        writer.save(state(step), [f"phase {step}"] if step == 20 else [])
    obstinate.open.set()
    writer.wait()
    assert steps(obstinate) == [10, 40]
    assert read_checkpoint_manifest(obstinate, 40).milestones == ("phase 20",)
    assert (writer.statistics.saved, writer.statistics.superseded) == (2, 2)


def test_a_state_that_is_to_be_kept_is_saved_however_slow_the_store_is(obstinate: Obstinate) -> None:
    background = Background()
    writer = CheckpointWriter(obstinate, background, Retention(last=9, every=20), lambda line: None)
    obstinate.open.clear()
    writer.save(state(10))
    while writer._waiting:
        pass
    writer.save(state(15))
    writer.save(state(20))
    threading.Timer(0.2, obstinate.open.set).start()
    writer.save(state(25))
    writer.wait()
    background.close()
    assert steps(obstinate) == [10, 20, 25]
    assert writer.statistics.superseded == 1


def test_a_save_that_fails_is_told_and_the_next_one_made(
    obstinate: Obstinate, writer: CheckpointWriter, said: list[str]
) -> None:
    writer.save(state(10))
    writer.wait()
    obstinate.failures = [TransientError("the store is away")] * 2
    for step in (20, 30, 40):
        writer.save(state(step), ["memorized"] if step == 20 else [])
        writer.wait()
        writer.check()
    assert steps(obstinate) == [10, 40]
    assert read_checkpoint_manifest(obstinate, 40).milestones == ("memorized",)
    assert said == ["a checkpoint could not be saved, the next will be: the store is away"] * 2
    assert writer.statistics.failures == 2


def test_too_many_failures_in_a_row_end_training(
    obstinate: Obstinate, writer: CheckpointWriter, said: list[str]
) -> None:
    writer.save(state(10))
    writer.wait()
    obstinate.failures = [TransientError("the store is away")] * MAX_FAILURES
    with pytest.raises(TransientError, match="the store is away"):
        writer.save_at_once(state(20), tries=MAX_FAILURES)
    assert len(said) == MAX_FAILURES - 1
    found, _ = load_checkpoint(obstinate, "run")
    assert found is not None
    assert found.step == 10


def test_a_place_that_cannot_be_written_ends_training_at_once(obstinate: Obstinate, writer: CheckpointWriter) -> None:
    obstinate.failures = [InputError("the disk is full")]
    with pytest.raises(InputError, match="the disk is full"):
        writer.save_at_once(state(20), tries=MAX_FAILURES)
    assert steps(obstinate) == []


def test_a_run_whose_saves_fail_ends_and_goes_on_once_they_can_be_made(
    smoke_data: Path, smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: Store, checkpoint: Checkpoint, milestones: Sequence[str]) -> CheckpointManifest:
        if checkpoint.step > 10:
            raise TransientError("the store is away")
        return save_checkpoint(store, checkpoint, milestones)

    said: list[str] = []
    spec = load_spec("smoke", ["training.checkpoint_interval=10"])
    with monkeypatch.context() as patch:
        patch.setattr(writing, "save_checkpoint", fail)
        with pytest.raises(TransientError, match="the store is away"):
            grokcore.train_model(spec, smoke_data, tmp_path, notify=said.append)
    assert len(said) == MAX_FAILURES - 1
    assert [line["step"] for line in read_journal(tmp_path / JOURNAL)][-1] >= 20
    grokcore.train_model(spec, smoke_data, tmp_path, notify=said.append)
    assert said[-1] == "resuming at step 10"
    assert without_clock(tmp_path) == without_clock(smoke_run)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here: try another machine")
def test_a_snapshot_of_a_gpu_waits_for_nothing_and_holds_what_was_there() -> None:
    weight = torch.zeros(1 << 20, device="cuda")
    live = Checkpoint("run", 1, {"model.weight": weight}, {})
    for _ in range(100):
        weight += 1
    torch.cuda.set_sync_debug_mode("error")
    try:
        snapshot = Snapshot(live)
        weight += 1
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(snapshot.get().tensors["model.weight"], torch.full((1 << 20,), 100.0))


def test_a_run_keeps_the_checkpoints_of_its_milestones(smoke_data: Path, tmp_path: Path) -> None:
    overrides = ["evaluation.threshold=.3", "training.checkpoint_keep=1", "training.checkpoint_keep_every=50"]
    grokcore.train_model(load_spec("smoke", overrides), smoke_data, tmp_path)
    store = FileStore(tmp_path / "checkpoints")
    kept = {step: read_checkpoint_manifest(store, step).milestones for step in steps(store)}
    phases = [milestone for milestones in kept.values() for milestone in milestones]
    assert "memorized" in phases
    assert "test_inferred_iid.sustained" in phases
    assert {step for step, milestones in kept.items() if not milestones} == {50, 60}


def test_a_run_is_the_same_on_every_kind_of_store(
    store_uri: str, smoke_data: Path, smoke_run: Path, tmp_path: Path
) -> None:
    result = grokcore.train_model(load_spec("smoke", ["training.max_steps=30"]), smoke_data, store_uri)
    assert result.run_uri == open_store(store_uri).uri
    said: list[str] = []
    grokcore.train_model(load_spec("smoke"), smoke_data, store_uri, resume="require", notify=said.append)
    assert said == ["resuming at step 30"]
    run, other = open_store(store_uri), FileStore(smoke_run)
    assert run.read("model/model.safetensors") == other.read("model/model.safetensors")
    assert run.read(JOURNAL).count(b"\n") == other.read(JOURNAL).count(b"\n") + 1  # that of step 30
    assert run.read_json("manifest.json")["resumes"] == 1
    assert {file.key.partition("/")[0] for file in run.files()} - {"writer"} == {
        "spec.yaml",
        "manifest.json",
        JOURNAL,
        "summary.json",
        "checkpoints",
        "model",
    }
