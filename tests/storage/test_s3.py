"""Particulars of object storage: multipart uploads, foreign names, lost responses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grokcore.errors import InputError, TransientError
from grokcore.storage import open_store
from tests.faults.proxy import Fault, Proxy
from tests.servers.fixtures import Bucket

pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")

from grokcore.storage.s3 import S3Store
from grokcore.storage.s3_connection import Connection, S3Settings

PART = 5 << 20


@pytest.fixture
def store(s3_uri: str) -> S3Store:
    store = S3Store(s3_uri, Connection(S3Settings(part_size=PART)))
    assert store._connection.client is not None  # made now, whatever the environment will be
    return store


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[Proxy]:
    proxy = Proxy(bucket.gateway.port)
    yield proxy
    proxy.close()


@pytest.fixture
def through(store: S3Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The same store behind a proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
    return S3Store(store.uri, Connection(S3Settings(part_size=PART)))


def test_a_whole_bucket_is_never_deleted(store: S3Store, bucket: Bucket) -> None:
    store.write("key", b"")
    with pytest.raises(InputError, match="whole bucket"):
        open_store(f"s3://{bucket.name}").delete_all()
    assert store.find("key") is not None


def test_the_server_lists_fewer_than_the_contract_asks_for(store: S3Store, bucket: Bucket) -> None:
    """Or else its test of long listings would see one page."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.write(f"{number}", b""), range(110)))
    prefix = store._object("x")["Key"].removesuffix("x")
    page = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix, MaxKeys=1000)
    assert page["IsTruncated"]
    assert len(list(store.files())) == 110


def test_several_threads_share_a_store(store: S3Store) -> None:
    def write_and_read(number: int) -> bool:
        store.write(f"{number}", bytes([number]) * 1000)
        return store.read(f"{number}") == bytes([number]) * 1000

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_and_read, range(64)))
    assert len(list(store.files())) == 64


def test_the_sha256_is_kept_beside_the_content(store: S3Store, tmp_path: Path) -> None:
    content = os.urandom(PART + 1)
    (tmp_path / "large").write_bytes(content)
    store.upload(tmp_path / "large", "large")
    store.write("small", b"small")
    store.write_new("new", b"new")
    for key, whole in (("large", content), ("small", b"small"), ("new", b"new")):
        found = store.find(key)
        assert found is not None
        assert found.sha256 == hashlib.sha256(whole).hexdigest()


def test_content_that_is_not_what_was_stored_is_refused(s3_uri: str, bucket: Bucket, tmp_path: Path) -> None:
    store = S3Store(s3_uri, Connection(S3Settings(part_size=PART, patience=0.5)))
    store.write("key", b"content")
    there = store._object("key")
    bucket.client.put_object(
        **there, Body=b"cOntent", Metadata={"grokcore-sha256": hashlib.sha256(b"content").hexdigest()}
    )
    with pytest.raises(InputError, match="is damaged"):
        store.read("key")
    with pytest.raises(InputError, match="is damaged"):
        store.download("key", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_what_others_have_written_can_be_read(store: S3Store, bucket: Bucket) -> None:
    bucket.client.put_object(**store._object("key"), Body=b"by others", Metadata={"sha256": "in base64"})
    assert store.read("key") == b"by others"
    found = store.find("key")
    assert found is not None
    assert found.sha256 is None
    assert not store.write_new("key", b"mine")


def test_names_that_lead_out_are_not_followed(store: S3Store, bucket: Bucket, tmp_path: Path) -> None:
    base = store._object("x")["Key"].removesuffix("x")
    for name in ("data/", "data/sub/", "data/../../evil", "data//double", "data/good"):
        bucket.client.put_object(Bucket=bucket.name, Key=f"{base}{name}", Body=b"")
    assert [file.key for file in store.files()] == ["data/good"]
    store.download_directory("data", tmp_path / "place" / "copy")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["good"]
    store.delete_all("data")
    assert "Contents" not in bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=base)


def test_unfinished_uploads_are_found_and_removed_below_the_prefix_alone(store: S3Store, bucket: Bucket) -> None:
    one, ten = store.child("runs/1"), store.child("runs/10")
    store.write("runs/1/state", b"whole")
    for child in (one, ten):
        for key in ("state", "é/b c"):
            there = child._object(key)
            upload = bucket.client.create_multipart_upload(**there)["UploadId"]
            bucket.client.upload_part(**there, UploadId=upload, PartNumber=1, Body=b"part")
    assert [name.partition("?uploadId=")[0] for name in one.leftovers()] == ["state", "é/b c"]
    assert [file.key for file in one.files()] == ["state"]
    one.remove_leftovers(one.leftovers())
    assert one.leftovers() == []
    assert one.read("state") == b"whole"
    assert len(ten.leftovers()) == len(store.leftovers()) == 2
    ten.remove_leftovers(ten.leftovers() * 2)
    assert store.leftovers() == []


def test_more_unfinished_uploads_than_one_listing_holds_are_found(store: S3Store, bucket: Bucket) -> None:
    """Several of one key among them."""
    keys = [f"{number // 2}" for number in range(110)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: bucket.client.create_multipart_upload(**store._object(key)), keys))
    prefix = store._object("x")["Key"].removesuffix("x")
    assert bucket.client.list_multipart_uploads(Bucket=bucket.name, Prefix=prefix, MaxUploads=1000)["IsTruncated"]
    assert sorted(name.partition("?")[0] for name in store.leftovers()) == sorted(keys)
    store.remove_leftovers(store.leftovers())
    assert store.leftovers() == []


@pytest.mark.parametrize("request_", ["PUT .*partNumber=2", "POST .*uploadId"])
def test_an_upload_that_fails_is_discarded(through: S3Store, proxy: Proxy, tmp_path: Path, request_: str) -> None:
    (tmp_path / "large").write_bytes(bytes(3 * PART))
    proxy.inject(Fault("403", at=request_))
    with pytest.raises(TransientError, match="AccessDenied"):
        through.upload(tmp_path / "large", "large")
    assert through.leftovers() == []
    assert list(through.files()) == []


def test_a_part_that_is_damaged_on_the_way_is_sent_again(through: S3Store, proxy: Proxy, tmp_path: Path) -> None:
    content = os.urandom(3 * PART)
    (tmp_path / "large").write_bytes(content)
    fault = proxy.inject(Fault("damaged request", at="PUT .*partNumber=2"))
    through.upload(tmp_path / "large", "large")
    assert fault.struck
    assert through.read("large") == content
    parts = [request for request in proxy.requests if "partNumber" in request.target]
    assert len(parts) == 4
    assert all(request.header("Content-MD5") for request in parts)


def test_a_download_goes_on_where_it_broke_off(store: S3Store, through: S3Store, proxy: Proxy, tmp_path: Path) -> None:
    content = os.urandom(4 << 20)
    store.write("large", content)
    proxy.inject(Fault("cut off", at="GET .*/large", times=2))
    through.download("large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    asked_for = [request.header("Range") for request in proxy.requests]
    assert asked_for == [None, f"bytes={2 << 20}-", f"bytes={3 << 20}-"]


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(
    store: S3Store, through: S3Store, proxy: Proxy, bucket: Bucket
) -> None:
    """By others, who keep no sha256 beside it: nothing but its ETag tells."""
    there, content = store._object("file"), os.urandom(4 << 20)
    bucket.client.put_object(**there, Body=os.urandom(4 << 20))
    proxy.inject(Fault("cut off", at="GET .*/file"))
    proxy.inject(
        Fault("reset before", at="GET .*/file", meanwhile=lambda: bucket.client.put_object(**there, Body=content))
    )
    assert through.read("file") == content


def test_of_two_that_write_a_new_file_the_one_whose_answer_was_lost_may_win(
    store: S3Store, through: S3Store, proxy: Proxy
) -> None:
    proxy.inject(Fault("lost answer", at="PUT .*/file"))
    assert through.write_new("file", b"the same")
    assert not store.write_new("file", b"the same")


def test_of_two_that_write_a_new_file_the_later_one_loses_whatever_is_lost(
    store: S3Store, through: S3Store, proxy: Proxy
) -> None:
    proxy.inject(Fault("reset before", at="PUT .*/file", meanwhile=lambda: store.write_new("file", b"the same")))
    assert not through.write_new("file", b"the same")
