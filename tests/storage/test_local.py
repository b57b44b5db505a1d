"""Files and directories are whole or not there; errors say what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.storage import local_path, new_directory, read_json, write_atomically


@pytest.mark.parametrize(
    ("uri", "path"),
    [("a/b", "a/b"), ("/a/b", "/a/b"), ("file:///a/b%20c", "/a/b c"), ("file://localhost/a", "/a")],
)
def test_paths_and_file_uris_name_paths(uri: str, path: str) -> None:
    assert local_path(uri) == Path(path)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://b/k", "ftp:// is not supported"),
        ("s3://b/k", "is no place on this machine"),
        ("file://host/a", "host"),
        ("", "empty"),
    ],
)
def test_other_uris_are_refused_in_one_line(uri: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        local_path(uri)


def test_a_failed_write_leaves_the_old_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_atomically(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device; free some space"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "place"

    def half_way() -> None:
        with new_directory(place) as directory:
            (directory / "first").write_text("1")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        half_way()
    assert list(tmp_path.iterdir()) == []
    with new_directory(place) as directory:
        (directory / "first").write_text("1")
        assert not place.exists()
    assert [file.name for file in place.iterdir()] == ["first"]


def test_a_directory_is_replaced_only_on_request(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "mine").write_text("precious")
    with pytest.raises(InputError, match="exists already"), new_directory(place):
        pass
    assert (place / "mine").read_text() == "precious"
    with new_directory(place, replace=True) as directory:
        (directory / "new").write_text("")
    assert [file.name for file in place.iterdir()] == ["new"]


def test_a_place_below_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another place"):
        write_atomically(tmp_path / "file" / "below", b"")


def test_damaged_json_is_explained(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"x\.json is not valid JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match=r"^cannot read"):
        read_json(tmp_path / "absent.json")
