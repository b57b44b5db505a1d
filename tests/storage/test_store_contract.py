"""The contract of a store, tested on a directory and on real object storage."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grokcore.errors import AbsentError, InputError
from grokcore.storage import Store, open_store

MB = 1 << 20


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def keys(store: Store, prefix: str = "") -> list[str]:
    return [file.key for file in store.files(prefix)]


@pytest.mark.parametrize("content", [b"", b"\x00", b"text\n", bytes(range(256)) * 5000], ids=["0", "1", "5", "1 MB"])
def test_what_is_written_is_read_and_downloaded(store: Store, tmp_path: Path, content: bytes) -> None:
    store.write("a/file", content)
    store.download("a/file", tmp_path / "new" / "copy")
    assert store.read("a/file") == (tmp_path / "new" / "copy").read_bytes() == content
    found = store.find("a/file")
    assert found is not None
    assert (found.key, found.size) == ("a/file", len(content))
    assert found.sha256 in (None, hashlib.sha256(content).hexdigest())


def test_a_later_write_takes_the_place_of_an_earlier(store: Store, tmp_path: Path) -> None:
    store.write("file", b"the first, which is longer")
    store.write("file", b"second")
    assert store.read("file") == b"second"
    (tmp_path / "source").write_bytes(b"third")
    store.upload(tmp_path / "source", "file")
    assert store.read("file") == b"third"
    assert keys(store) == ["file"]


@pytest.mark.parametrize("size", [0, 1, 16 * MB, 16 * MB + 1, 40 * MB + 12345])
def test_files_of_any_size_travel_there_and_back(store: Store, tmp_path: Path, size: int) -> None:
    content = os.urandom(MB) * (size // MB) + os.urandom(size % MB)
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    store.upload(source, "checkpoints/state.safetensors", sha256=sha256)
    found = store.find("checkpoints/state.safetensors")
    assert found is not None
    assert found.size == size
    assert found.sha256 in (None, sha256)
    store.download("checkpoints/state.safetensors", copy)
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == sha256
    assert source.exists()
    assert store.leftovers() == []


def test_a_file_that_may_be_moved_is_gone_afterwards(store: Store) -> None:
    with store.scratch() as scratch:
        (scratch / "state").write_bytes(b"state")
        store.upload(scratch / "state", "state", move=True)
        assert not (scratch / "state").exists()
        assert keys(store) == ["state"]
    assert not scratch.exists()
    assert store.read("state") == b"state"


@pytest.mark.parametrize("key", ["absent", "there/absent", "there", "there/file/below"])
def test_what_is_absent_is_said_to_be(store: Store, tmp_path: Path, key: str) -> None:
    store.write("there/file", b"")
    if key == "there":
        assert store.find(key) is None
        return
    with pytest.raises(AbsentError) as caught:
        store.read(key)
    assert str(caught.value) == f"file not found: {store.uri_of(key)}"
    with pytest.raises(AbsentError, match="file not found"):
        store.download(key, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert list(tmp_path.glob(".*.tmp")) == []
    assert store.find(key) is None
    assert keys(store, key) == []
    store.delete(key)
    store.delete_all(key)
    assert keys(store) == ["there/file"]


def test_a_failed_download_leaves_the_old_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"old")
    with pytest.raises(AbsentError):
        store.download("absent", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"old"


def test_a_file_that_is_not_there_cannot_be_uploaded(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        store.upload(tmp_path / "absent", "key")
    assert "\n" not in str(caught.value)
    assert keys(store) == []


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a/./b", "a\\b", "a\nb", "\0"])
def test_keys_that_lead_out_or_nowhere_are_refused_by_every_method(store: Store, tmp_path: Path, key: str) -> None:
    (tmp_path / "source").write_bytes(b"")
    calls = [
        lambda: store.read(key),
        lambda: store.download(key, tmp_path / "copy"),
        lambda: store.write(key, b""),
        lambda: store.write_new(key, b""),
        lambda: store.upload(tmp_path / "source", key),
        lambda: store.find(key),
        lambda: store.delete(key),
        lambda: store.child(key),
    ]
    if key:
        calls += [lambda: list(store.files(key)), lambda: store.delete_all(key)]
    for call in calls:
        with pytest.raises(InputError, match="not a valid key"):
            call()
    assert keys(store) == []


def test_a_key_that_is_too_long_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="too long"):
        store.write("k" * 1025, b"")


@pytest.mark.parametrize("key", ["Größe/Ж/猫 😀", "a b+c%20&d=e?f#g;h,i", "~'\"(x)[y]{z}!$*@:", "x" * 200])
def test_keys_may_hold_what_names_hold(store: Store, key: str) -> None:
    store.write(key, b"content")
    assert store.read(key) == b"content"
    assert keys(store) == [key]
    assert keys(store, key) == []
    store.delete_all()
    assert keys(store) == []


def test_files_are_listed_in_the_order_of_their_keys(store: Store) -> None:
    names = ["b", "a/b", "a-c", "a/B", "a/b0/c", "é", "z", "a0", "Z", "猫", "step-00000002/x", "step-00000010/x"]
    for name in names:
        store.write(name, name.encode())
    assert keys(store) == sorted(names)
    assert [file.size for file in store.files("a")] == [3, 3, 6]
    assert keys(store, "a") == ["a/B", "a/b", "a/b0/c"]


def test_a_directory_is_not_one_whose_name_begins_alike(store: Store) -> None:
    for name in ("runs/1/a", "runs/10/b", "runs/1.old", "runs/1-", "runs/0"):
        store.write(name, b"")
    assert keys(store, "runs/1") == ["runs/1/a"]
    one = store.child("runs/1")
    assert keys(one) == ["a"]
    assert one.read("a") == b""
    assert one.find("b") is None
    store.delete_all("runs/1")
    assert keys(store) == ["runs/0", "runs/1-", "runs/1.old", "runs/10/b"]
    store.child("runs/10").delete_all()
    assert keys(store) == ["runs/0", "runs/1-", "runs/1.old"]


def test_a_file_is_deleted_by_its_key_alone(store: Store) -> None:
    for name in ("a/b", "a/c", "ab"):
        store.write(name, b"")
    store.delete("a/b")
    store.delete("a/b")
    assert keys(store) == ["a/c", "ab"]


def test_more_files_than_one_listing_holds_are_listed_and_deleted(store: Store) -> None:
    """The server's pages hold 100."""
    names = [f"many/{number:03}" for number in range(250)]
    store.write("other", b"")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.write(name, b""), names))
    assert keys(store, "many") == names
    store.delete_all("many")
    assert keys(store) == ["other"]


def test_a_directory_travels_there_and_back(store: Store, tmp_path: Path) -> None:
    files = {"dataset.json": b"{}", "train.parquet": b"PAR1", "deep/er/empty": b""}
    for name, content in files.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(content)
    store.upload_directory(tmp_path / "source", "data/1", last="dataset.json")
    assert keys(store, "data/1") == sorted(f"data/1/{name}" for name in files)
    store.write("data/10/stranger", b"")
    store.download_directory("data/1", tmp_path / "copy")
    copied = (path for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert {path.relative_to(tmp_path / "copy").as_posix(): path.read_bytes() for path in copied} == files
    with pytest.raises(AbsentError, match="there is nothing at"):
        store.download_directory("data/2", tmp_path / "none")


def test_json_is_written_and_read_and_damage_is_named(store: Store) -> None:
    store.write_json("value.json", {"a": [1, None]})
    assert store.read_json("value.json") == {"a": [1, None]}
    store.write("value.json", b'{"a": ')
    with pytest.raises(InputError, match="is not valid JSON"):
        store.read_json("value.json")


def test_a_new_file_is_written_once(store: Store) -> None:
    assert store.write_new("manifest.json", b"first")
    assert not store.write_new("manifest.json", b"second")
    assert not store.write_new("manifest.json", b"first")
    assert store.read("manifest.json") == b"first"
    store.delete("manifest.json")
    assert store.write_new("manifest.json", b"third")
    assert store.leftovers() == []


def test_of_writers_at_once_exactly_one_wins(store_uri: str, store: Store) -> None:
    """20 rounds of 8; each with a connection of its own, and half of them with the same content."""
    stores = [open_store(store_uri) for _ in range(8)]
    for round_ in range(20):
        contents = [f"{round_} by {min(number, 4)}".encode() for number in range(8)]
        start = threading.Barrier(8)

        def write(number: int, round_: int = round_, start: threading.Barrier = start) -> bool:
            start.wait()
            return stores[number].write_new(f"round-{round_}", contents[number])  # noqa: B023

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(write, range(8)))
        assert won.count(True) == 1, f"round {round_}: {won}"
        assert store.read(f"round-{round_}") == contents[won.index(True)]


def test_a_reader_sees_the_old_content_or_the_new(store: Store, store_uri: str) -> None:
    contents = [bytes([number]) * (100_000 + number) for number in range(8)]
    store.write("file", contents[0])
    done = threading.Event()

    def read() -> set[bytes]:
        reader, seen = open_store(store_uri), set()
        while not done.is_set():
            seen.add(reader.read("file"))
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for content in contents * 3:
            store.write("file", content)
        done.set()
        assert all(reader.result() <= set(contents) for reader in readers)


def test_nothing_can_be_removed_as_a_leftover_that_is_none(store: Store) -> None:
    store.write("file", b"")
    with pytest.raises(InputError, match="not a leftover of an interrupted write"):
        store.remove_leftovers(["file"])
    assert keys(store) == ["file"]
