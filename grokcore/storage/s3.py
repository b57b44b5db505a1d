"""A store under a prefix in an S3 bucket."""

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

from grokcore.errors import InputError, TransientError
from grokcore.storage.local import clear_errors, temporary_directory
from grokcore.storage.local import sha256 as sha256_of
from grokcore.storage.regular import MOST_BYTES
from grokcore.storage.s3_answers import EndlessListError, Pages
from grokcore.storage.s3_connection import Connection, S3Settings
from grokcore.storage.s3_errors import BROKEN_BODY, code_of
from grokcore.storage.s3_transfer import SHA256, fetch, md5_of, upload_parts
from grokcore.storage.store import Store, StoredFile, check_key
from grokcore.storage.temporary import temporary_file

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_CANNOT_DELETE_MANY = (400, 405, 411, 501)
"""Statuses of stores that do not support DeleteObjects, or not with the client's checksum."""
_OF_NOTHING = 416
"""Status of a range of an empty object."""
_PAGE = 1000
"""Maximum number of objects per listing and per DeleteObjects."""
_WRITER = "grokcore-writer"
"""Metadata key that identifies the call of `write_new` that created an object."""
_UPLOAD_ID = "?uploadId="


class _Bounded(BytesIO):
    """In-memory file with a size limit."""

    def write(self, chunk: Any, /) -> int:
        if self.tell() + len(chunk) > MOST_BYTES:
            raise InputError(f"an object has more than {MOST_BYTES} bytes: it was not written by grokcore")
        return super().write(chunk)


class S3Store(Store):
    """A store in object storage; objects are created by one PUT or multipart upload and carry their sha256.

    Requests are idempotent, since a request whose response was lost is repeated.

    Args:
        uri: s3://BUCKET or s3://BUCKET/PREFIX.
        connection: shared with other stores; default: a new one, configured from the environment.

    Raises:
        InputError: an invalid URI or setting.
    """

    def __init__(self, uri: str, connection: Connection | None = None) -> None:
        bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
        if not uri.startswith("s3://") or not _BUCKET.fullmatch(bucket):
            # the URI is not quoted: it may contain a password
            raise InputError("invalid URI of object storage: write s3://BUCKET/PREFIX with a valid bucket name")
        super().__init__(f"s3://{bucket}/{check_key(prefix)}" if prefix else f"s3://{bucket}")
        self._bucket = bucket
        self._base = f"{prefix}/" if prefix else ""
        self._connection = connection or Connection(S3Settings.from_environment())

    @property
    def connection(self) -> Connection:
        return self._connection

    def child(self, key: str) -> S3Store:
        return S3Store(self.uri_of(check_key(key)), self._connection)

    def read(self, key: str) -> bytes:
        content = _Bounded()
        fetch(self._connection, self.uri_of(key), self._object(key), content)
        return content.getvalue()

    def read_end(self, key: str, size: int) -> bytes:
        asked = {**self._object(key), "Range": f"bytes=-{size}"}
        for _ in self._connection.attempts():
            try:
                answer = self._connection.send(
                    "read", self.uri_of(key), "get_object", expected=(_OF_NOTHING,), needs=("Body",), **asked
                )
            except ClientError:
                return b""
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
        """As Store.write_new; the store must support If-None-Match.

        If the response to a request was lost, its repetition is refused because of the first. The object then carries
        the id of this writer.
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
            f"cannot write {self.uri_of(key)}: it is being written and deleted concurrently; try "
            "again later (PutObject)"
        )

    def upload(self, source: Path, key: str, *, sha256: str | None = None, move: bool = False) -> None:
        with clear_errors("read", source):
            size = source.stat().st_size
        digest = sha256 or sha256_of(source)
        failure = TransientError(f"cannot write {self.uri_of(key)}: the object differs from what was uploaded")
        try:
            self._send_file(source, key, size, digest)
        except TransientError as error:
            failure = error  # perhaps only the response was lost
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
                with suppress(InputError):  # by other programs: directory markers, unsafe names
                    check_key(key)
                    yield StoredFile(key, item["Size"], item["LastModified"].timestamp(), etag=item.get("ETag"))

    def delete(self, key: str) -> None:
        self._delete(self._object(key)["Key"])

    def delete_all(self, prefix: str = "") -> None:
        if not self._base and not prefix:
            raise InputError(
                f"{self.uri} is a whole bucket: give a prefix in it, or delete the bucket with other tools"
            )
        for page in self._pages(prefix):
            names = [item["Key"] for item in page]
            for name in self._delete_together(names):
                self._delete(name)

    def leftovers(self) -> list[str]:
        found: list[str] = []
        pages = Pages("NextKeyMarker", "NextUploadIdMarker", parameters=("KeyMarker", "UploadIdMarker"))
        while pages.more:
            answer = self._connection.send(
                "list",
                self.uri,
                "list_multipart_uploads",
                Bucket=self._bucket,
                Prefix=self._base,
                MaxUploads=_PAGE,
                needs=("IsTruncated",),
                **pages.start,
            )
            found += [
                f"{item['Key'].removeprefix(self._base)}{_UPLOAD_ID}{item['UploadId']}"
                for item in answer.get("Uploads", ())
                if item["Key"].startswith(self._base)
            ]
            self._turn(pages, answer, self.uri, "list_multipart_uploads")
        return sorted(found)

    def remove_leftovers(self, names: Sequence[str]) -> None:
        for name in names:
            key, separator, upload = name.rpartition(_UPLOAD_ID)
            if not separator:
                raise InputError(f"{name!r} is not a leftover of an interrupted write in {self.uri}")
            with suppress(ClientError):  # 404: already deleted
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
            needs=("ETag",),
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
        """List a directory in pages; the trailing `/` keeps `runs/10` out of `runs/1`."""
        directory = f"{self._base}{check_key(prefix)}/" if prefix else self._base
        place = self.uri_of(prefix) if prefix else self.uri
        pages = Pages("NextContinuationToken", parameters=("ContinuationToken",))
        while pages.more:
            answer = self._connection.send(
                "list",
                place,
                "list_objects_v2",
                needs=("IsTruncated",),
                Bucket=self._bucket,
                Prefix=directory,
                MaxKeys=_PAGE,
                **pages.start,
            )
            yield [item for item in answer.get("Contents", ()) if item["Key"].startswith(directory)]
            self._turn(pages, answer, place, "list_objects_v2")

    def _turn(self, pages: Pages, answer: dict[str, Any], place: str, operation: str) -> None:
        try:
            pages.turn(answer)
        except EndlessListError as error:
            raise self._connection.one_line(error, "list", place, operation) from None

    def _delete_together(self, names: Sequence[str]) -> list[str]:
        """Delete up to 1,000 objects in one request; return those not deleted, all if the store does not support it."""
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
