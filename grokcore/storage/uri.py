"""From a URI to the store behind it."""

from __future__ import annotations

from pathlib import Path

from grokcore.errors import InputError
from grokcore.storage.directory import FileStore
from grokcore.storage.local import local_path
from grokcore.storage.store import Store

_S3 = "s3://"


def open_store(uri: str | Path) -> Store:
    """The store at a path, a `file://` URI or an `s3://BUCKET/PREFIX`; nothing is read or written yet.

    Raises:
        InputError: the URI names no place, one of another kind, or one for which a package is absent.
    """
    if str(uri).startswith(_S3):
        try:
            from grokcore.storage.s3 import S3Store  # boto3 takes half a second to load
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("boto3", "botocore", "urllib3"):
                raise
            raise InputError(f"{_S3} needs boto3: pip install 'grokcore[s3]'") from None
        return S3Store(str(uri))
    return FileStore(local_path(uri).absolute())


def open_parent(uri: str | Path) -> tuple[Store, str]:
    """The store in which the file at `uri` lies, and the file's key there.

    Raises:
        InputError: the URI names no place, one of another kind, or a bucket.
    """
    if str(uri).startswith(_S3):
        parent, _, name = str(uri).rpartition("/")
        if len(parent) < len(_S3) or not name:
            raise InputError(f"{uri} names no file: write s3://BUCKET/.../FILE")
        return open_store(parent), name
    path = local_path(uri).absolute()
    return FileStore(path.parent), path.name
