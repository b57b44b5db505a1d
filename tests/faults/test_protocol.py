"""Killed between any two steps of the checkpoint protocol: the last good checkpoint loads, and the next save works."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grokcore.runs.checkpoints import LATEST, files_by_step
from grokcore.storage import FileStore, Store, open_store
from grokcore.training.checkpoints.checkpoint import Checkpoint, load_checkpoint
from grokcore.training.checkpoints.retention import Retention
from grokcore.training.checkpoints.saving import save_checkpoint
from tests.faults.dying import DyingStore, die_at_file_operation, in_child

ROW = "SIGKILL between any two steps of the checkpoint protocol"


def state(step: int) -> Checkpoint:
    tensors = {"model.weight": torch.full((40,), float(step)), "random.cpu": torch.arange(step, step + 5)}
    return Checkpoint("run", step, tensors, {"elapsed_seconds": step / 2, "restarts": 0}, b'{"step":%d}\n' % step)


def save(store: Store, step: int) -> None:
    """One save as it is made in training, with the removal of what is no longer kept."""
    save_checkpoint(store, state(step))
    Retention(last=2).apply(store)


def check(store: Store, steps: set[int]) -> None:
    """The last good checkpoint is one of `steps`, with its own state; saving goes on, and leaves nothing behind."""
    found, _ = load_checkpoint(store, "run")
    assert found is not None
    assert found.step in steps
    expected = state(found.step)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], expected.tensors[name]) for name in expected.tensors)
    assert (found.values, found.journal) == (expected.values, expected.journal)

    store.remove_leftovers(store.leftovers())  # as whoever resumes does
    for step in (30, 40):
        save(store, step)
    assert list(files_by_step(store)) == [30, 40]
    assert all(len(files) == 4 for files in files_by_step(store).values())
    assert {file.key for file in store.files()} == {
        LATEST,
        *(file.key for files in files_by_step(store).values() for file in files),
    }
    assert store.leftovers() == []


def kill_everywhere(make_child: Callable[[int], tuple[Store, Callable[[], None]]], stride: int) -> int:
    """Kill the save of step 30 at one point after the other until it comes through.

    Returns:
        How many points were tried.
    """
    for tried, point in enumerate(range(1, 1000, stride)):
        store, work = make_child(point)
        code = in_child(work)
        assert code in (0, -signal.SIGKILL)
        check(store, {20, 30} if code else {30})
        if code == 0:
            return tried
    raise AssertionError("saving never comes to its end")


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("damaged", [False, True])
def test_in_a_directory_at_every_operation_on_files(
    damaged: bool, stride: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    def child(point: int) -> tuple[Store, Callable[[], None]]:
        folder = tmp_path / str(point)
        store = FileStore(folder)
        prepare(store, damaged=damaged)

        def work() -> None:
            die_at_file_operation(point, folder)
            save(store, 30)

        return store, work

    tried = kill_everywhere(child, stride)
    record_property("tries", tried)
    assert tried > 40 // stride


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("damaged", [False, True])
def test_on_object_storage_between_all_requests(
    damaged: bool, stride: int, s3_uri: str, record_property: Callable[[str, object], None]
) -> None:
    def child(point: int) -> tuple[Store, Callable[[], None]]:
        uri = f"{s3_uri}/{point}"
        prepare(open_store(uri), damaged=damaged)
        return open_store(uri), lambda: save(DyingStore(open_store(uri), point), 30)

    tried = kill_everywhere(child, stride)
    record_property("tries", tried)
    assert tried > 15 // stride


def prepare(store: Store, *, damaged: bool) -> None:
    """Two good checkpoints; with `damaged`, also one of the step to be saved, whose manifest cannot be read."""
    for step in (10, 20):
        save(store, step)
    if damaged:
        store.write("step-00000030/manifest.json", b"{")
