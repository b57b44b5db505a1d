"""A training that nobody waits for any more saves and stops; one whose store cannot be read goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grokcore.errors import InputError, StoppedError, TransientError
from grokcore.runs.resume import check_place
from grokcore.spec import ExperimentSpec
from grokcore.storage import FileStore, open_store
from grokcore.training.heartbeat import (
    ABANDONED,
    HEARTBEAT,
    PATIENCE_VARIABLE,
    Heartbeat,
    is_launched,
    stop_without_launcher,
)
from grokcore.training.signals import StopRequest
from tests.support.checks import PATIENCE


class Noticed(StopRequest):
    """A request that a test can wait for."""

    def __init__(self) -> None:
        self.event = threading.Event()

    @property
    def requested(self) -> bool:
        return self.event.is_set()

    @requested.setter
    def requested(self, value: bool) -> None:
        if value:
            self.event.set()


@contextmanager
def watching(run: str | Path, monkeypatch: pytest.MonkeyPatch, patience: float) -> Iterator[Noticed]:
    monkeypatch.setenv(PATIENCE_VARIABLE, str(patience))
    stop = Noticed()
    with stop_without_launcher(str(run), stop):
        yield stop


def test_a_launcher_that_beats_is_heeded(store_uri: str, monkeypatch: pytest.MonkeyPatch):
    run = open_store(store_uri)
    with Heartbeat(run, seconds=0.05), watching(store_uri, monkeypatch, patience=4) as stop:
        assert not stop.event.wait(5)
    assert run.find(ABANDONED) is None


def test_silence_is_a_wish_to_stop(store_uri: str, monkeypatch: pytest.MonkeyPatch):
    with Heartbeat(open_store(store_uri)):
        pass  # the launcher has gone
    with watching(store_uri, monkeypatch, patience=0.2) as stop:
        assert stop.event.wait(PATIENCE)


def test_a_run_without_any_heartbeat_stops_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with watching(tmp_path, monkeypatch, patience=0.2) as stop:
        assert stop.event.wait(PATIENCE)


def test_a_restart_of_an_abandoned_training_ends_at_once_until_a_launcher_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Heartbeat(FileStore(tmp_path)):
        pass
    with watching(tmp_path, monkeypatch, patience=0.2) as stop:
        assert stop.event.wait(PATIENCE)
    with pytest.raises(StoppedError, match="nobody waits"), watching(tmp_path, monkeypatch, patience=900):
        pytest.fail("it has begun to train")
    with Heartbeat(FileStore(tmp_path)), watching(tmp_path, monkeypatch, patience=900) as stop:
        assert not stop.requested


def test_a_store_that_cannot_be_read_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Heartbeat(FileStore(tmp_path)):
        pass
    reads, enough = [], threading.Event()
    read = FileStore.read

    def out_of_reach(store: FileStore, key: str) -> bytes:
        if key == HEARTBEAT:
            reads.append(key)
            if len(reads) == 40:  # four times the patience
                enough.set()
            raise TransientError("the store does not answer")
        return read(store, key)

    monkeypatch.setattr(FileStore, "read", out_of_reach)
    with watching(tmp_path, monkeypatch, patience=0.2) as stop:
        assert enough.wait(PATIENCE)
        assert not stop.requested
        monkeypatch.setattr(FileStore, "read", read)  # it is back, and nobody beats
        assert stop.event.wait(PATIENCE)


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf"])
def test_a_patience_that_is_none_is_refused_in_one_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PATIENCE_VARIABLE, text)
    with pytest.raises(InputError, match=PATIENCE_VARIABLE), stop_without_launcher(str(tmp_path), StopRequest()):
        pass


def test_only_one_process_of_a_launched_training_watches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(PATIENCE_VARIABLE, raising=False)
    assert not is_launched()
    monkeypatch.setenv(PATIENCE_VARIABLE, "900")
    monkeypatch.delenv("RANK", raising=False)
    assert is_launched()
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert not is_launched()


def test_a_heartbeat_does_not_make_its_place_look_taken(store_uri: str, smoke_spec: ExperimentSpec):
    with Heartbeat(open_store(store_uri)):
        pass
    assert check_place(open_store(store_uri), smoke_spec, "never") is False
