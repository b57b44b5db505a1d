"""Local copies of stored files; errors name the original URI."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import InputError, TransientError
from grokcore.storage import local_copy, open_parent, open_store


def test_what_is_wanted_is_there_and_what_is_absent_is_not(store_uri: str) -> None:
    store = open_store(store_uri)
    for key in ("a.json", "model/config.json", "model/deep/x", "other/y"):
        store.write(key, key.encode())
    with local_copy(store_uri, ("a.json", "absent", "model/", "nowhere/")) as folder:
        assert (folder / "a.json").read_bytes() == b"a.json"
        assert (folder / "model/deep/x").read_bytes() == b"model/deep/x"
        assert not (folder / "absent").exists()
        assert not (folder / "nowhere").exists()
        if store.directory is None:
            assert not (folder / "other").exists(), "what nobody wants is not fetched"


def test_a_directory_is_not_copied(tmp_path: Path) -> None:
    with local_copy(tmp_path, ()) as folder:
        assert folder == tmp_path


def test_a_copy_is_gone_afterwards_also_after_an_error(s3_uri: str) -> None:
    open_store(s3_uri).write("a", b"")
    for error in (KeyError, InputError):
        with pytest.raises(error), local_copy(s3_uri, ("a",)) as folder:
            raise error("")
        assert not folder.exists()


@pytest.mark.parametrize("kind", [InputError, TransientError])
def test_errors_name_the_place_and_not_its_copy(store_uri: str, kind: type[Exception]) -> None:
    open_store(store_uri).write("spec.yaml", b"")
    with pytest.raises(kind) as caught, local_copy(store_uri, ("spec.yaml",)) as folder:
        raise kind(f"{folder / 'spec.yaml'} is damaged")
    assert str(caught.value) == f"{store_uri}/spec.yaml is damaged"


@pytest.mark.parametrize(
    ("uri", "parent", "name"),
    [
        ("/a/b", "/a", "b"),
        ("file:///a/b%20c", "/a", "b c"),
        ("s3://bucket/x.html", "s3://bucket", "x.html"),
        ("s3://bucket/a/b/x.html", "s3://bucket/a/b", "x.html"),
    ],
)
def test_a_file_lies_in_a_store(uri: str, parent: str, name: str, s3_uri: str) -> None:
    store, key = open_parent(uri)
    assert (store.uri, key) == (parent, name)


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://", "s3://bucket/dir/"])
def test_a_bucket_or_directory_is_no_file(uri: str) -> None:
    with pytest.raises(InputError, match="is not the URI of a file"):
        open_parent(uri)
