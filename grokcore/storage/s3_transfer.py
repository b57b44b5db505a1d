"""Large objects: resumable downloads, multipart uploads."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError, FlexibleChecksumError

from grokcore.errors import DamagedError, GrokcoreError, TransientError
from grokcore.storage.local import clear_errors
from grokcore.storage.s3_connection import Connection
from grokcore.storage.s3_errors import BROKEN_BODY

SHA256 = "grokcore-sha256"
"""Metadata key of the content's hexadecimal SHA-256; a plain `sha256` may be written by other programs."""
_CHUNK = 1 << 20
_MOST_PARTS = 10_000
_PARTS_AT_ONCE = 4
"""Concurrent connections per upload, and parts in memory."""


def md5_of(content: bytes) -> str:
    """Content-MD5 header of a request: the only checksum that every store verifies."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


class _Received:
    """Content of an object received so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.restart()

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0
        self.etag = ""

    def add(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def rest(self) -> dict[str, str]:
        """Request parameters for the remainder of the same object."""
        return {"Range": f"bytes={self.size}-", "IfMatch": self.etag} if self.size else {}


def fetch(connection: Connection, place: str, object_: Mapping[str, Any], file: IO[bytes]) -> None:
    """Download an object to an empty file, resuming after interruptions.

    Args:
        place: URI of the object, for messages.
        object_: its Bucket and Key.

    Raises:
        AbsentError: the object does not exist.
        DamagedError: the content differs from what was stored, identically in all attempts.
        TransientError: no attempt was complete.
    """
    received = _Received(file)
    failure: GrokcoreError = TransientError(f"cannot read {place}: it changes while it is read; try again later")
    wrong: list[str] = []  # hashes of damaged downloads
    for attempt in connection.attempts(patient=True):
        if attempt >= connection.settings.attempts and not wrong:
            break  # retry only damage here: the connection has retried everything else
        rest = received.rest()
        try:
            answer = connection.send(
                "read",
                place,
                "get_object",
                expected=(412, 416) if rest else (),
                needs=("ContentLength", "ETag"),
                **object_,
                **rest,
            )
        except ClientError:  # the object was replaced
            received.restart()
            continue
        if rest and "ContentRange" not in answer:
            received.restart()
        received.etag = answer["ETag"]
        size = received.size + answer["ContentLength"]
        try:
            _receive(answer["Body"], received)
        except FlexibleChecksumError:
            pass  # by the store's own checksum
        except BROKEN_BODY as error:
            failure = connection.one_line(error, "read", place, "get_object")
            continue
        else:
            if received.size == size and answer.get("Metadata", {}).get(SHA256, received.sha256) == received.sha256:
                return
        wrong.append(received.sha256)
        failure = TransientError(f"cannot read {place}: it arrives damaged, differently each time; try again later")
        received.restart()
    if len(wrong) > 1 and len(set(wrong)) == 1:
        raise DamagedError(f"cannot read {place}: it is damaged, its content does not match its checksum")
    raise failure


def _receive(body: Any, received: _Received) -> None:
    try:
        for chunk in body.iter_chunks(_CHUNK):
            received.add(chunk)
    finally:
        body.close()


def upload_parts(
    connection: Connection, place: str, object_: Mapping[str, Any], source: Path, size: int, metadata: Mapping[str, str]
) -> None:
    """Upload a large file in concurrent parts; a failed upload is discarded.

    The caller must verify the object: if the response to the last request was lost, its repetition only finds that the
    upload does not exist.
    """

    def send(operation: str, **parameters: Any) -> dict[str, Any]:
        return connection.send("write", place, operation, **object_, **parameters)

    part_size = max(connection.settings.part_size, -(-size // _MOST_PARTS))
    upload = send("create_multipart_upload", needs=("UploadId",), Metadata=metadata)["UploadId"]

    def upload_part(number: int) -> dict[str, Any]:
        with clear_errors("read", source), source.open("rb") as file:
            file.seek((number - 1) * part_size)
            content = file.read(part_size)
        answer = send(
            "upload_part",
            needs=("ETag",),
            UploadId=upload,
            PartNumber=number,
            Body=content,
            ContentMD5=md5_of(content),
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    try:
        with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
            parts = list(pool.map(upload_part, range(1, -(-size // part_size) + 1)))
        with suppress(ClientError):
            send("complete_multipart_upload", expected=(404,), UploadId=upload, MultipartUpload={"Parts": parts})
    except BaseException:
        with suppress(GrokcoreError, ClientError):
            send("abort_multipart_upload", expected=(404,), UploadId=upload)
        raise
