"""A dataset on object storage: whole or not there, fetched once, and verified each time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from grokcore.data import generate_dataset, open_dataset, read_facts, task_over
from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, dataset_id
from grokcore.storage import Store, open_store, sha256
from grokcore.storage.s3 import S3Store
from tests.support.checks import refusal

TASK = ComparisonTask(entities=40, attributes=3, values=4, phi=8, probe_size=100)
FILES = ["probes.parquet", "train.parquet", "vocab.json"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "grokcore" / "datasets"


@pytest.fixture
def place(s3_uri: str) -> str:
    return f"{s3_uri}/datasets/one"


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that have been downloaded."""
    keys: list[str] = []
    download = S3Store.download

    def counted(store: S3Store, key: str, target: Path) -> None:
        keys.append(key)
        download(store, key, target)

    monkeypatch.setattr(S3Store, "download", counted)
    return keys


def refused(place: str) -> str:
    line = refusal(open_dataset, place)
    assert place in line
    return line


def keys(store: Store) -> list[str]:
    return [file.key for file in store.files()]


def test_it_is_what_a_directory_would_hold(place: str, tmp_path: Path) -> None:
    info = generate_dataset(TASK, place)
    assert info == generate_dataset(TASK, tmp_path / "data")
    there, here = open_dataset(place, dataset_id(TASK)), open_dataset(tmp_path / "data")
    assert there.vocabulary == here.vocabulary
    assert (there.train().tokens == here.train().tokens).all()
    assert {path.name: sha256(path) for path in here.path.iterdir() if path.name != "README.md"} == {
        path.name: sha256(path) for path in there.path.iterdir() if path.name != ".lock"
    }
    assert keys(open_store(place)) == sorted(["README.md", "dataset.json", *FILES])


def test_it_is_fetched_once(place: str, downloads: list[str]) -> None:
    generate_dataset(TASK, place)
    open_dataset(place)
    assert sorted(downloads) == FILES
    open_dataset(place)
    assert len(downloads) == 3


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_damaged_copy_is_fetched_again(place: str, downloads: list[str], damage: str) -> None:
    generate_dataset(TASK, place)
    file = open_dataset(place).path / "train.parquet"
    content = file.read_bytes()
    match damage:
        case "flipped":
            file.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
        case "truncated":
            file.write_bytes(content[:50])
        case "missing":
            file.unlink()
    downloads.clear()
    assert len(open_dataset(place).train()) > 0
    assert downloads == ["train.parquet"]
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", FILES)
def test_damage_in_the_store_is_refused_by_name(place: str, name: str) -> None:
    generate_dataset(TASK, place)
    store = open_store(place)
    content = store.read(name)
    store.write(name, content[:40] + bytes([content[40] ^ 1]) + content[41:])
    assert f"{name} does not have the SHA-256" in refused(place)
    store.write(name, content[:40])
    assert f"{name} has 40 bytes instead of" in refused(place)
    store.delete(name)
    assert f"{name} is missing" in refused(place)


def test_a_new_data_set_at_the_same_place_is_not_taken_for_the_old_one(place: str) -> None:
    generate_dataset(TASK, place)
    open_dataset(place)
    store, other = open_store(place), TASK.model_copy(update={"seed": 1})
    store.delete_all()
    generate_dataset(other, place)
    assert open_dataset(place).info.id == dataset_id(other)


def test_processes_that_open_it_at_once_fetch_it_once(place: str, downloads: list[str]) -> None:
    generate_dataset(TASK, place)
    opened = []
    threads = [threading.Thread(target=lambda: opened.append(open_dataset(place).info.id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [dataset_id(TASK)] * 4
    assert sorted(downloads) == FILES


def test_nothing_there_says_how_to_make_one(place: str, s3_uri: str) -> None:
    assert "make one with `grokcore generate SPEC --out" in refused(place)
    open_store(place).write("thesis.txt", b"dear")
    assert "is not a dataset" in refused(place)


def test_one_that_stands_is_reused_and_anything_else_refused(place: str) -> None:
    first = generate_dataset(TASK, place)
    written = list(open_store(place).files())
    assert generate_dataset(TASK, place) == first
    assert list(open_store(place).files()) == written
    with pytest.raises(InputError, match="made for another task"):
        generate_dataset(TASK.model_copy(update={"seed": 1}), place)
    with pytest.raises(InputError, match="in the format grokcore"):
        generate_dataset(TASK, place, format="grokked-transformer")
    open_store(place).delete("train.parquet")
    with pytest.raises(InputError, match=r"train\.parquet is missing: remove"):
        generate_dataset(TASK, place)
    open_store(place).delete("dataset.json")
    open_store(place).write("thesis.txt", b"dear")
    with pytest.raises(InputError, match="is not a dataset"):
        generate_dataset(TASK, place)


@pytest.mark.parametrize("file", ["dataset.json", "vocab.json"])
def test_an_interrupted_upload_is_no_data_set_and_can_be_repeated(
    place: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, write_new = S3Store.upload, S3Store.write_new

    def cut_off(store: S3Store, *arguments: object, **options: object) -> object:
        if file in arguments:
            raise KeyboardInterrupt
        return (write_new if isinstance(arguments[1], bytes) else upload)(store, *arguments, **options)  # type: ignore

    with monkeypatch.context() as patched:
        patched.setattr(S3Store, "upload", cut_off)
        patched.setattr(S3Store, "write_new", cut_off)
        with pytest.raises(KeyboardInterrupt):
            generate_dataset(TASK, place)
    assert keys(open_store(place))
    assert "is not a dataset" in refused(place)
    generate_dataset(TASK, place)
    open_dataset(place, dataset_id(TASK))


def test_processes_that_generate_it_at_once_all_succeed(place: str) -> None:
    code = "import sys; from grokcore.data import generate_dataset; from grokcore.spec import load_task\n"
    code += "print(generate_dataset(load_task(sys.argv[1]), sys.argv[2]).id)"
    command = [sys.executable, "-c", code, TASK.model_dump_json(), place]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in started] == [dataset_id(TASK)] * 3
    open_dataset(place, dataset_id(TASK))


def test_files_of_another_version_that_was_faster_are_replaced(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions of Parquet's writer give other bytes of the same rows: a dataset must be of one of them."""
    write_new = S3Store.write_new

    def slower(store: S3Store, key: str, content: bytes) -> bool:
        document = json.loads(content)
        document["files"]["train.parquet"]["sha256"] = "0" * 64
        store.write(key, json.dumps(document).encode())
        return write_new(store, key, content)

    monkeypatch.setattr(S3Store, "write_new", slower)
    info = generate_dataset(TASK, place)
    assert open_dataset(place).info == info


def test_facts_of_object_storage_become_a_data_set_there_with_the_facts_in_it(s3_uri: str, place: str) -> None:
    rows = [f"island {number},area,{number * 7 % 5}" for number in range(30)]
    open_store(s3_uri).write("islands.csv", "\n".join(["entity,attribute,value", *rows]).encode())
    facts = read_facts(f"{s3_uri}/islands.csv", "attributes")
    task = task_over(ComparisonTask(phi=4, id_ratio=0.8), facts)
    generate_dataset(task, place, facts=facts)
    dataset = open_dataset(place, dataset_id(task))
    assert sha256(dataset.path / "facts.csv") == facts.sha256
    assert read_facts(f"{place}/facts.csv", "attributes").sha256 == facts.sha256
    with pytest.raises(InputError, match=r"nothing\.csv"):
        read_facts(f"{s3_uri}/nothing.csv", "attributes")
