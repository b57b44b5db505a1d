"""Files and directories are whole or not there; errors say what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.data import open_dataset, read_facts
from grokcore.errors import InputError, TransientError
from grokcore.runs import list_runs
from grokcore.storage import local_path, new_directory, open_parent, open_store, read_json, write_atomically


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
        ("s3://b/k", "is not on this machine"),
        ("file://host/a", "host"),
        ("", "empty"),
    ],
)
def test_other_uris_are_refused_in_one_line(uri: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        local_path(uri)


def facts_at(uri: str | Path) -> object:
    return read_facts(uri, "attributes")


def list_runs_at(uri: str | Path) -> object:
    return list_runs(open_store(uri))


NEAR = [
    ("s3:/bucket/x", "did you mean s3://bucket/x?"),
    ("s3:bucket/x", "did you mean s3://bucket/x?"),
    ("s3:///bucket/x", "valid bucket name"),
    ("S3://bucket/x", "did you mean s3://bucket/x?"),
    ("s3//bucket/x", "did you mean s3://bucket/x?"),
    ("s3;//bucket/x", "did you mean s3://bucket/x?"),
    ("s3a://bucket/x", "did you mean s3://bucket/x?"),
    (" s3://bucket/x", "did you mean s3://bucket/x?"),
    ("s3:\\\\bucket\\x", "did you mean s3://bucket"),
    (Path("s3://bucket/x"), "did you mean s3://bucket/x?"),
    (Path("s3://bucket/x") / "run", "did you mean s3://bucket/x/run?"),
    ("file:/tmp/x", "did you mean file:///tmp/x?"),
    ("FILE:///tmp/x", "did you mean file:///tmp/x?"),
    (Path("file:///tmp/x"), "did you mean file:///tmp/x?"),
    ("gs://bucket/x", "gs:// is not supported"),
    ("gs:/bucket/x", "gs:// is not supported"),
    (Path("gs://bucket/x"), "gs:// is not supported"),
    ("http://host/x", "http:// is not supported"),
    ("https:/host/x", "https:// is not supported"),
    ("other://x", "other:// is not supported"),
    ("file://[::1/x", "write file:///absolute/path"),
    ("file:///x?y", "%3F"),
]


@pytest.mark.parametrize(("uri", "said"), NEAR)
@pytest.mark.parametrize("open_", [open_store, open_parent, open_dataset, facts_at, list_runs_at])
def test_what_almost_is_a_uri_is_refused_and_nothing_is_written(
    open_: Callable[[str | Path], object], uri: str | Path, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        open_(uri)
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["./s3:/x", "a:b", "run:1/x", "C:/x", "a//b", "s3/x", "files//x", "x/s3:/y", "/s3:/y"])
def test_paths_with_a_colon_stay_paths(path: str) -> None:
    assert local_path(path) == Path(path)


def test_a_password_in_what_almost_is_a_uri_is_not_repeated() -> None:
    for uri in ("https://me:secret@host/x", "s3:/me:secret@host/x"):
        with pytest.raises(InputError) as caught:
            open_store(uri)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        ["generate", "smoke", "--out", "s3:/bucket/x"],
        ["train", "smoke", "--data", "data", "--out", "s3:/bucket/x"],
        ["train", "smoke", "--data", "s3:/bucket/x", "--out", "run"],
        ["run", "smoke", "--out", "s3:/bucket/x"],
        ["evaluate", "s3:/bucket/x"],
        ["report", "s3:/bucket/x", "--out", "page.html"],
        ["watch", "s3:/bucket/x"],
        ["compare", "s3:/bucket/x", "--out", "there"],
        ["claims", "s3:/bucket/x"],
        ["runs", "list", "s3:/bucket/x"],
        ["runs", "delete", "s3:/bucket/x", "--yes"],
        ["sweep", "phi-small", "--out", "s3:/bucket/x"],
        ["spec", "s3:/bucket/x"],
        ["spec", "S3://bucket/x"],
        ["champion", "show", "default", "--store", "s3:/bucket/x"],
        ["champion", "verdict", "s3:/bucket/x"],
        ["pipeline", "compile", "grokking_experiment", "--out", "s3:/bucket/x"],
        ["doctor", "--store", "s3:/bucket/x"],
    ],
    ids=" ".join,
)
def test_every_command_refuses_what_almost_is_a_uri(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) != 0
    said = capsys.readouterr()
    assert "did you mean s3://bucket/x?" in said.err + said.out
    assert len(said.err.splitlines()) <= 1
    assert not [path for path in tmp_path.rglob("*") if "s3" in path.name]


def test_a_failed_write_leaves_the_old_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_atomically(file, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TransientError, match="No space left on device; free some space"):
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
