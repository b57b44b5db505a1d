"""A store of another make, over TLS: checksums in trailers, a certificate of one's own, uploads in parts."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.storage import open_store
from tests.servers.swift import Swift

pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")

from grokcore.storage.s3 import S3Store
from grokcore.storage.s3_connection import Connection, S3Settings

PART = 5 << 20


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    with Swift(tmp_path_factory.mktemp("swift")).running() as server:
        yield server


@pytest.fixture
def store(swift: Swift, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REQUEST_CHECKSUM_CALCULATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", swift.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", swift.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", swift.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(swift.certificate))
    bucket = uuid.uuid4().hex
    store = S3Store(f"s3://{bucket}/prefix", Connection(S3Settings(part_size=PART)))
    store._connection.client.create_bucket(Bucket=bucket)
    return store


def test_files_travel_there_and_back_with_checksums_in_trailers(store: S3Store, tmp_path: Path) -> None:
    contents = {"empty": b"", "small": b"small", "in parts": os.urandom(PART * 2 + 7)}
    for key, content in contents.items():
        (tmp_path / key).write_bytes(content)
        store.upload(tmp_path / key, key)
        store.write(f"again/{key}", content)
        found = store.find(key)
        assert found is not None
        assert (found.size, found.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert store.read("again/in parts") == contents["in parts"]
    store.download("in parts", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == contents["in parts"]
    assert [file.key for file in store.files("again")] == ["again/empty", "again/in parts", "again/small"]
    assert not store.write_new("small", b"other")
    assert store.write_new("new", b"")
    store.delete_all()
    assert list(store.files()) == []
    assert store.leftovers() == []


def test_unfinished_uploads_are_found_and_removed(store: S3Store) -> None:
    there = store._object("state")
    store._connection.client.create_multipart_upload(**there)
    assert [name.partition("?")[0] for name in store.leftovers()] == ["state"]
    assert store.child("other").leftovers() == []
    store.remove_leftovers(store.leftovers())
    assert store.leftovers() == []


def test_a_certificate_that_nobody_vouches_for_is_wrong_input(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(InputError, match="is not trusted; name its CA file in AWS_CA_BUNDLE"):
        open_store(store.uri).read("key")


def test_wrong_credentials_are_wrong_input(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(InputError, match=r"SignatureDoesNotMatch.*check AWS_ACCESS_KEY_ID"):
        open_store(store.uri).read("key")
