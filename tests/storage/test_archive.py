"""An archive is a store that is only read: its files are those of the directory that it unpacks to."""

from __future__ import annotations

import io
import lzma
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.errors import AbsentError, DamagedError, InputError
from grokcore.storage import FileStore, Store, open_parent, open_store
from grokcore.storage import archive as module
from grokcore.storage.archive import write_archive

FILES = {"a/metrics.jsonl": b"one\ntwo\n", "a/empty": b"", "b/deep/er/file": bytes(range(256)) * 100, "top": b"x"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.tar.xz"
    write_archive(path, FILES)
    return path


@pytest.mark.parametrize("inside", ["", "a", "b", "b/deep"])
def test_it_reads_as_the_directory_that_tar_unpacks(path: Path, tmp_path: Path, inside: str) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "xf", path, "-C", unpacked], check=True)
    packed, directory = open_store(path / inside), open_store(unpacked / inside)
    assert [(file.key, file.size) for file in packed.files()] == [(file.key, file.size) for file in directory.files()]
    for file in directory.files():
        assert packed.read(file.key) == directory.read(file.key)
        assert packed.read_end(file.key, 4) == directory.read_end(file.key, 4)
        packed.download(file.key, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == directory.read(file.key)
    assert packed.uri == str(path / inside)
    assert packed.leftovers() == []


def test_directories_are_listed_and_opened_by_key(path: Path) -> None:
    store = open_store(f"file://{path}")
    assert [file.key for file in store.files("b")] == ["b/deep/er/file"]
    assert [file.key for file in store.child("b").files("deep")] == ["deep/er/file"]
    parent, name = open_parent(path / "a" / "metrics.jsonl")
    assert parent.read(name) == FILES["a/metrics.jsonl"]
    found = store.find("top")
    assert found is not None
    assert found.size == 1
    assert store.find("absent") is store.find("a") is None
    with pytest.raises(AbsentError, match=r"file not found: .*runs\.tar\.xz/absent"):
        store.read("absent")


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.write("new", b""),
        lambda store: store.write_new("new", b""),
        lambda store: store.upload(Path(__file__), "new"),
        lambda store: store.delete("top"),
        lambda store: store.delete_all(),
        lambda store: store.remove_leftovers(["top"]),
        lambda store: store.scratch(),
    ],
)
def test_it_is_not_written_to(path: Path, write: Callable[[Store], object]) -> None:
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"runs\.tar\.xz is an archive, which is only read: unpack it first"):
        write(open_store(path))
    assert path.read_bytes() == before


def test_equal_files_make_equal_archives_and_a_changed_one_is_read_anew(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar.xz"
    write_archive(again, dict(reversed(FILES.items())))
    assert again.read_bytes() == path.read_bytes()
    store = open_store(path)
    assert store.read("top") == b"x"
    write_archive(path, {"top": b"another"})
    assert store.read("top") == b"another"


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_one_that_was_cut_short_is_damaged(path: Path, kept: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(DamagedError, match=r"is not a whole \.tar\.xz archive"):
        open_store(path).find("top")


def test_a_directory_of_such_a_name_stays_a_directory(tmp_path: Path) -> None:
    (tmp_path / "odd.tar.xz").mkdir()
    (tmp_path / "odd.tar.xz" / "file").write_bytes(b"here")
    store = open_store(tmp_path / "odd.tar.xz")
    assert isinstance(store, FileStore)
    assert store.read("file") == b"here"


def _tar(path: Path, *members: tarfile.TarInfo) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    path.write_bytes(lzma.compress(buffer.getvalue()))
    return path


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/etc/passwd", "a//b", "a\\b"])
def test_keys_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    with pytest.raises(InputError, match="is not a valid key"):
        list(open_store(_tar(tmp_path / "hostile.tar.xz", member)).files())


def test_links_and_devices_are_no_files(tmp_path: Path) -> None:
    members = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
        member = tarfile.TarInfo(f"link{kind!r}".replace("\\", ""))
        member.type, member.linkname = kind, "/etc/passwd"
        members.append(member)
    assert list(open_store(_tar(tmp_path / "links.tar.xz", *members)).files()) == []


def test_neither_size_nor_number_is_without_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.tar.xz"
    bomb.write_bytes(lzma.compress(bytes(1 << 22)))
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 21)
    with pytest.raises(InputError, match="unpacks to more than"):
        open_store(bomb).find("top")
    many = _tar(tmp_path / "many.tar.xz", *(tarfile.TarInfo(str(number)) for number in range(4)))
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    with pytest.raises(InputError, match="more than 3 files"):
        open_store(many).find("top")


def test_a_pipe_of_such_a_name_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar.xz")
    assert open_store(tmp_path / "pipe.tar.xz").find("top") is None
