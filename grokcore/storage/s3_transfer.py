"""Large objects: downloads that go on where they broke off, uploads in parts."""

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
"""Of an object's metadata: its content's, hexadecimal. A plain `sha256` may be other people's, in another form."""
_CHUNK = 1 << 20
_MOST_PARTS = 10_000
_PARTS_AT_ONCE = 4
"""Connections that share one upload; as many parts are in memory."""


def md5_of(content: bytes) -> str:
    """Of a request's body, as its header says it: the one checksum that every store holds a body against."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


class _Received:
    """The part of an object that has arrived so far."""

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
        """What asks for the rest of the same object only."""
        return {"Range": f"bytes={self.size}-", "IfMatch": self.etag} if self.size else {}


def fetch(connection: Connection, place: str, object_: Mapping[str, Any], file: IO[bytes]) -> None:
    """Write the content of an object to an empty file; what breaks off goes on from there.

    Args:
        place: its URI.
        object_: its Bucket and Key.

    Raises:
        AbsentError: there is none.
        DamagedError: it is not what was stored, and arrived in the same way as long as the connection was patient.
        TransientError: it did not come whole in any attempt.
    """
    received = _Received(file)
    failure: GrokcoreError = TransientError(f"cannot read {place}: it changes while it is read; try again later")
    wrong: list[str] = []  # hashes of what arrived damaged
    for attempt in connection.attempts(patient=True):
        if attempt >= connection.settings.attempts and not wrong:
            break  # only damage is waited for here: the connection itself has waited for all else
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
        except ClientError:  # another object has taken its place
            received.restart()
            continue
        if rest and "ContentRange" not in answer:
            received.restart()
        received.etag = answer["ETag"]
        size = received.size + answer["ContentLength"]
        try:
            _receive(answer["Body"], received)
        except FlexibleChecksumError:
            pass  # the store keeps a checksum of its own
        except BROKEN_BODY as error:
            failure = connection.one_line(error, "read", place, "get_object")
            continue
        else:
            if received.size == size and answer.get("Metadata", {}).get(SHA256, received.sha256) == received.sha256:
                return
        wrong.append(received.sha256)
        failure = TransientError(f"cannot read {place}: it arrives damaged, each time in another way; try again later")
        received.restart()
    if len(wrong) > 1 and len(set(wrong)) == 1:
        raise DamagedError(f"cannot read {place}: it is damaged, its content has not the checksum it was stored with")
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
    """Upload a large file in parts, several at once. If it fails, what has arrived is discarded.

    Whether the object is there in the end is for the caller to see: when the answer to the last request was lost,
    its repetition finds the upload gone and tells nothing.
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
