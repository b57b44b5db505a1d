"""What is particular to object storage: its URIs, settings and errors, uploads in parts, and names made by others."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grokcore.errors import AbsentError, InputError, TransientError
from grokcore.storage import Store, open_store
from tests.faults.proxy import Fault, Proxy
from tests.servers.fixtures import Bucket

pytest.importorskip("boto3", reason="pip install 'grokcore[s3]'")

from grokcore.storage.s3 import S3Store
from grokcore.storage.s3_connection import Connection, S3Settings

PART = 5 << 20
OPERATIONS: list[Callable[[Store], object]] = [
    lambda store: store.read("key"),
    lambda store: store.write("key", b""),
    lambda store: store.write_new("key", b""),
    lambda store: store.find("key"),
    lambda store: list(store.files()),
    lambda store: store.delete("key"),
    lambda store: store.delete_all(),
    lambda store: store.leftovers(),
]


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


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("uri", "shown"),
    [("s3://bucket", "s3://bucket"), ("s3://bucket/", "s3://bucket"), ("s3://bucket/a/b/", "s3://bucket/a/b")],
)
def test_a_uri_names_a_bucket_and_a_prefix(uri: str, shown: str) -> None:
    assert open_store(uri).uri == shown
    assert open_store(uri).uri_of("key") == f"{shown}/key"


@pytest.mark.parametrize("uri", ["s3://", "s3:///key", "s3://a/k", "s3://me:hidden@bucket/k", "s3://bucket?hidden/k"])
def test_a_uri_without_a_bucket_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(InputError, match="s3://BUCKET/PREFIX") as caught:
        open_store(uri)
    assert "hidden" not in one_line(caught)


@pytest.mark.parametrize("uri", ["s3://bucket/../other", "s3://bucket//a", "s3://bucket/a/./b"])
def test_a_prefix_that_leads_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="no key of a store"):
        open_store(uri)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("grokcore.storage.s3")]:
        monkeypatch.delitem(sys.modules, name)
    for package in ("boto3", "botocore", "botocore.exceptions"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'grokcore\[s3\]'"):
        open_store("s3://bucket/prefix")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "2.5"),
        ("AWS_RETRY_MODE", "never"),
        ("GROKCORE_S3_READ_TIMEOUT", "soon"),
        ("GROKCORE_S3_CONNECT_TIMEOUT", "nan"),
        ("GROKCORE_S3_PATIENCE", "-1"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=variable):
        S3Settings.from_environment()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKCORE_S3_CONNECT_TIMEOUT", "0.5")
    monkeypatch.setenv("GROKCORE_S3_READ_TIMEOUT", "7")
    monkeypatch.setenv("GROKCORE_S3_PATIENCE", "0")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    settings = S3Settings.from_environment()
    assert settings.patience == 0
    config = Connection(settings).client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (0.5, 7)
    assert (config.retries["total_max_attempts"], config.retries["mode"]) == (2, "adaptive")


def checksum_headers(store: S3Store) -> set[str]:
    sent: set[str] = set()
    client = store._connection.client
    client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.update(name.lower() for name in request.headers)
    )
    store.write("key", b"content")
    return {name for name in sent if "checksum" in name or name in ("content-md5", "x-amz-trailer")}


def test_stores_that_refuse_checksums_of_aws_need_take_none(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(name.startswith("x-amz-checksum-") for name in checksum_headers(S3Store(s3_uri)))
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    store = S3Store(s3_uri)
    assert checksum_headers(store) == {"content-md5"}
    assert store.read("key") == b"content"
    store.delete_all()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_credentials_the_variables_are_named(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, operation: Callable[[Store], object]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        operation(open_store(store.uri))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_wrong_input_and_stay_secret(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, variable: str, operation: Callable[[Store], object]
) -> None:
    monkeypatch.setenv(variable, "WRONG1234567890")
    with pytest.raises(InputError, match="403") as caught:
        operation(open_store(store.uri))
    message = one_line(caught)
    assert "WRONG" not in message
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in message
    assert store.uri in message


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_bucket_that_is_not_there_is_wrong_input(s3_uri: str, operation: Callable[[Store], object]) -> None:
    with pytest.raises(InputError, match="there is no bucket absent; create it") as caught:
        operation(open_store("s3://absent/prefix"))
    assert not isinstance(caught.value, AbsentError)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_endpoint_that_cannot_be_reached_is_a_passing_trouble(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch, operation: Callable[[Store], object]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TransientError, match=r"http://127.0.0.1:1 cannot be reached") as caught:
        operation(open_store(s3_uri))
    assert s3_uri in one_line(caught)


def test_an_endpoint_that_is_no_url_is_wrong_input(s3_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "my-store")
    with pytest.raises(InputError, match="AWS_ENDPOINT_URL_S3 is no URL"):
        open_store(s3_uri).read("key")


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


def test_content_that_is_not_what_was_stored_is_refused(store: S3Store, bucket: Bucket, tmp_path: Path) -> None:
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
    with pytest.raises(InputError, match="AccessDenied"):
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
