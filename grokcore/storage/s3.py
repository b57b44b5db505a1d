"""A store that is a prefix in a bucket of object storage."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256 as new_sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from grokcore.errors import AbsentError, InputError, TransientError
from grokcore.storage.local import clear_errors, temporary_directory
from grokcore.storage.local import sha256 as sha256_of
from grokcore.storage.regular import MOST_BYTES
from grokcore.storage.s3_connection import Connection, S3Settings
from grokcore.storage.s3_errors import BROKEN_BODY, code_of
from grokcore.storage.s3_transfer import SHA256, fetch, md5_of, upload_parts
from grokcore.storage.store import Store, StoredFile, check_key
from grokcore.storage.temporary import temporary_file

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_CANNOT_DELETE_MANY = (400, 405, 411, 501)
"""Statuses of stores that know no DeleteObjects, or not with the checksum that the client sends."""
_PAGE = 1000
"""What one listing may hold, and one DeleteObjects."""
_WRITER = "grokcore-writer"
"""Of an object's metadata: which call of `write_new` has made it."""
_UPLOAD_ID = "?uploadId="


class _Bounded(BytesIO):
    """Memory for an object that is read whole."""

    def write(self, chunk: Any, /) -> int:
        if self.tell() + len(chunk) > MOST_BYTES:
            raise InputError(f"an object has more than {MOST_BYTES} bytes: it was not written by grokcore")
        return super().write(chunk)


class S3Store(Store):
    """Objects appear by one request, a PUT or the last one of an upload in parts, and carry their sha256.

    A request whose answer is lost is made again, so that each is made such that twice does as much as once.

    Args:
        uri: s3://BUCKET or s3://BUCKET/PREFIX.
        connection: to share with other stores; by default one with the settings of the environment.

    Raises:
        InputError: the URI is no such, or a setting is wrong.
    """

    def __init__(self, uri: str, connection: Connection | None = None) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
        if not uri.startswith("s3://") or not _BUCKET.fullmatch(bucket):
            # what is wrong is not repeated: it may be a password
            raise InputError("a URI of object storage is s3://BUCKET/PREFIX, with a valid name of a bucket and no more")
        super().__init__(f"s3://{bucket}/{check_key(prefix)}" if prefix else f"s3://{bucket}")
        self._bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._connection = connection or Connection(S3Settings.from_environment())

    def child(self, key: str) -> S3Store:
        return S3Store(self.uri_of(check_key(key)), self._connection)

    def read(self, key: str) -> bytes:
        content = _Bounded()
        fetch(self._connection, self.uri_of(key), self._object(key), content)
        return content.getvalue()

    def read_end(self, key: str, size: int) -> bytes:
        found = self.find(key)
        if found is None:
            raise AbsentError(f"there is no {self.uri_of(key)}")
        if found.size <= size:
            return self.read(key)
        asked = {**self._object(key), "Range": f"bytes={found.size - size}-{found.size - 1}"}
        for _ in self._connection.attempts():
            answer = self._connection.send("read", self.uri_of(key), "get_object", needs=("Body",), **asked)
            with suppress(*BROKEN_BODY):
                return bytes(answer["Body"].read(size + 1))[-size:]
        raise TransientError(f"cannot read {self.uri_of(key)}: the connection broke again and again; try again later")

    def download(self, key: str, target: Path) -> None:
        with clear_errors("write", target), temporary_file(target) as temporary:
            fetch(self._connection, self.uri_of(key), self._object(key), temporary)
            temporary.flush()
            Path(temporary.name).replace(target)

    def write(self, key: str, content: bytes) -> None:
        self._put(key, content, {SHA256: new_sha256(content).hexdigest()})

    def write_new(self, key: str, content: bytes) -> bool:
        """As Store.write_new; needs a store that knows If-None-Match.

        When the answer to a request was lost, the next one is refused because of the first. What lies there then
        carries the name of this writer.
        """
        writer = uuid.uuid4().hex
        metadata = {SHA256: new_sha256(content).hexdigest(), _WRITER: writer}
        for _ in self._connection.attempts():
            try:
                self._put(key, content, metadata, expected=(409, 412), IfNoneMatch="*")
                return True
            except ClientError:
                there = self._metadata(key)
            except TransientError:
                with suppress(TransientError):
                    if (self._metadata(key) or {}).get(_WRITER) == writer:
                        return True
                raise
            if there is not None:
                return there.get(_WRITER) == writer
        raise TransientError(
            f"cannot write {self.uri_of(key)}: others write and delete it; try again later (PutObject)"
        )

    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
        with clear_errors("read", source):
            size = source.stat().st_size
        digest = sha256 or sha256_of(source)
        failure = TransientError(f"cannot write {self.uri_of(key)}: what lies there now is not what was uploaded")
        try:
            self._send_file(source, key, size, digest)
        except TransientError as error:
            failure = error  # perhaps nothing but the answer was lost
        there = self.find(key)
        if there is None or (there.size, there.sha256) != (size, digest):
            raise failure
        if move:
            with clear_errors("delete", source):
                source.unlink()

    def find(self, key: str) -> StoredFile | None:
        answer = self._head(key)
        if answer is None:
            return None
        sha256 = answer.get("Metadata", {}).get(SHA256)
        return StoredFile(key, answer["ContentLength"], answer["LastModified"].timestamp(), sha256)

    def files(self, prefix: str = "") -> Iterator[StoredFile]:
        for page in self._pages(prefix):
            for item in page:
                key = item["Key"].removeprefix(self._base)
                with suppress(InputError):  # made by others: an empty object for a directory, a name that leads out
                    check_key(key)
                    yield StoredFile(key, item["Size"], item["LastModified"].timestamp())

    def delete(self, key: str) -> None:
        self._delete(self._object(key)["Key"])

    def delete_all(self, prefix: str = "") -> None:
        if not self._base and not prefix:
            raise InputError(f"{self.uri} is a whole bucket: name a prefix in it, or delete the bucket by other means")
        for page in self._pages(prefix):
            names = [item["Key"] for item in page]
            for name in self._refused_together(names):
                self._delete(name)

    def leftovers(self) -> list[str]:
        found: list[str] = []
        more: dict[str, Any] = {}
        while True:
            answer = self._connection.send(
                "list",
                self.uri,
                "list_multipart_uploads",
                Bucket=self._bucket,
                Prefix=self._base,
                MaxUploads=_PAGE,
                **more,
            )
            found += [
                f"{item['Key'].removeprefix(self._base)}{_UPLOAD_ID}{item['UploadId']}"
                for item in answer.get("Uploads", ())
                if item["Key"].startswith(self._base)
            ]
            if not answer.get("IsTruncated"):
                return sorted(found)
            more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def remove_leftovers(self, names: Sequence[str]) -> None:
        for name in names:
            key, separator, upload = name.rpartition(_UPLOAD_ID)
            if not separator:
                raise InputError(f"{name!r} is nothing that an unfinished write has left in {self.uri}")
            with suppress(ClientError):  # 404: it is gone
                self._connection.send(
                    "delete",
                    self.uri_of(key),
                    "abort_multipart_upload",
                    expected=(404,),
                    UploadId=upload,
                    **self._object(key),
                )

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with temporary_directory() as path:
            yield path

    def _object(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": check_key(f"{self._base}{check_key(key)}")}

    def _put(
        self, key: str, content: bytes, metadata: dict[str, str], expected: tuple[int, ...] = (), **conditions: str
    ) -> None:
        self._connection.send(
            "write",
            self.uri_of(key),
            "put_object",
            expected=expected,
            Body=content,
            ContentMD5=md5_of(content),
            Metadata=metadata,
            **self._object(key),
            **conditions,
        )

    def _send_file(self, source: Path, key: str, size: int, sha256: str) -> None:
        if size > self._connection.settings.part_size:
            place, object_ = self.uri_of(key), self._object(key)
            upload_parts(self._connection, place, object_, source, size, {SHA256: sha256})
        else:
            with clear_errors("read", source):
                content = source.read_bytes()
            self._put(key, content, {SHA256: sha256})

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return self._connection.send(
                "find",
                self.uri_of(key),
                "head_object",
                expected=(404,),
                needs=("ContentLength", "LastModified"),
                **self._object(key),
            )
        except ClientError:
            self._connection.require_bucket(self._bucket)
            return None

    def _metadata(self, key: str) -> dict[str, str] | None:
        answer = self._head(key)
        return None if answer is None else dict(answer.get("Metadata", {}))

    def _pages(self, prefix: str) -> Iterator[list[dict[str, Any]]]:
        """What the store lists below a directory; the `/` at the end keeps `runs/10` out of `runs/1`."""
        directory = f"{self._base}{check_key(prefix)}/" if prefix else self._base
        place = self.uri_of(prefix) if prefix else self.uri
        more: dict[str, Any] = {}
        while True:
            answer = self._connection.send(
                "list", place, "list_objects_v2", Bucket=self._bucket, Prefix=directory, MaxKeys=_PAGE, **more
            )
            yield [item for item in answer.get("Contents", ()) if item["Key"].startswith(directory)]
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def _refused_together(self, names: Sequence[str]) -> list[str]:
        """Delete up to 1,000 objects by one request; those of which it cannot be had, all where there is none."""
        if not names:
            return []
        objects = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        try:
            answer = self._connection.send(
                "delete", self.uri, "delete_objects", expected=_CANNOT_DELETE_MANY, Bucket=self._bucket, Delete=objects
            )
        except ClientError:
            return list(names)
        return [item["Key"] for item in answer.get("Errors", ())]

    def _delete(self, name: str) -> None:
        place = f"s3://{self._bucket}/{name}"
        try:
            self._connection.send("delete", place, "delete_object", expected=(404,), Bucket=self._bucket, Key=name)
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                raise self._connection.one_line(error, "delete", place, "delete_object") from None
