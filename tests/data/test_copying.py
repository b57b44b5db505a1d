"""A dataset copied to where others can read it: verified before, whole or not there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from grokcore.data import generate, open_dataset
from grokcore.data.generate import copy_dataset
from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec
from grokcore.storage import Store, open_store


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def content(place: str | Path) -> dict[str, bytes]:
    store = open_store(place)
    return {file.key: store.read(file.key) for file in store.files()}


def test_a_copy_is_the_same_data_set(smoke_spec: ExperimentSpec, smoke_data: Path, store_uri: str):
    place = f"{store_uri}/datasets/{smoke_spec.dataset_id}"
    info = copy_dataset(smoke_spec.task, smoke_data, place)
    assert open_dataset(place, smoke_spec.dataset_id).info == info
    assert content(place) == content(smoke_data)


def test_one_that_stands_there_is_left_alone(smoke_spec: ExperimentSpec, smoke_data: Path, store_uri: str):
    place = f"{store_uri}/copy"
    copy_dataset(smoke_spec.task, smoke_data, place)
    before = {file.key: file.modified for file in open_store(place).files()}
    copy_dataset(smoke_spec.task, smoke_data, place)
    assert {file.key: file.modified for file in open_store(place).files()} == before


def test_of_several_that_copy_at_once_all_succeed(smoke_spec: ExperimentSpec, smoke_data: Path, store_uri: str):
    place, failures = f"{store_uri}/copy", []

    def copy() -> None:
        try:
            copy_dataset(smoke_spec.task, smoke_data, place)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=copy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert content(place) == content(smoke_data)


def test_one_that_appears_just_after_it_was_looked_for_is_taken(
    smoke_spec: ExperimentSpec, smoke_data: Path, store_uri: str, monkeypatch: pytest.MonkeyPatch
):
    place, vacant = f"{store_uri}/copy", generate._vacant

    def after_another(store: Store) -> bool:
        monkeypatch.setattr(generate, "_vacant", vacant)
        copy_dataset(smoke_spec.task, smoke_data, place)
        return vacant(store)

    monkeypatch.setattr(generate, "_vacant", after_another)
    copy_dataset(smoke_spec.task, smoke_data, place)
    assert content(place) == content(smoke_data)


def test_a_damaged_original_is_refused_before_anything_is_written(
    smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path
):
    damaged = tmp_path / "damaged"
    copy_dataset(smoke_spec.task, smoke_data, damaged)
    (damaged / "train.parquet").write_bytes((smoke_data / "train.parquet").read_bytes()[:-1])
    with pytest.raises(InputError, match="truncated"):
        copy_dataset(smoke_spec.task, damaged, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_what_else_stands_there_is_not_overwritten(smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "thesis.tex").write_text("the only copy")
    with pytest.raises(InputError, match="is not a dataset"):
        copy_dataset(smoke_spec.task, smoke_data, tmp_path / "copy")
    assert content(tmp_path / "copy") == {"thesis.tex": b"the only copy"}
