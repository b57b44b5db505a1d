"""From a URI to the store behind it."""

from __future__ import annotations

from pathlib import Path

from grokcore.storage.files import FileStore
from grokcore.storage.local import local_path
from grokcore.storage.store import Store


def open_store(uri: str | Path) -> Store:
    """The store at a path, a `file://` URI or an `s3://BUCKET/PREFIX`; nothing is read or written yet.

    Raises:
        InputError: the URI names no place, or one of another kind.
    """
    if str(uri).startswith("s3://"):
        from grokcore.storage.s3 import S3Store  # boto3 takes half a second to load

        return S3Store(str(uri))
    return FileStore(local_path(uri).absolute())
