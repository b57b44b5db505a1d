"""Open stores by URI."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from grokcore.errors import InputError
from grokcore.storage.archive import archive_in
from grokcore.storage.directory import FileStore
from grokcore.storage.local import local_path
from grokcore.storage.store import Store

_S3 = "s3://"


def open_store(uri: str | Path, like: Store | None = None) -> Store:
    """Open the store at a path, a `file://` URI or `s3://BUCKET/PREFIX`, without accessing it yet.

    A path may name a `.tar.xz` archive, or a directory in one.

    Args:
        like: a store whose connection it shares if both are on object storage.

    Raises:
        InputError: an invalid URI, an unsupported scheme, or a missing package.
    """
    if str(uri).startswith(_S3):
        try:
            from grokcore.storage.s3 import S3Store  # importing boto3 takes half a second
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("boto3", "botocore", "urllib3"):
                raise
            raise InputError(f"{_S3} needs boto3: pip install 'grokcore[s3]'") from None
        return S3Store(str(uri), like.connection if isinstance(like, S3Store) else None)
    path = local_path(uri).absolute()
    return archive_in(path) or FileStore(path)


def open_stores(uris: Iterable[str | Path]) -> list[Store]:
    """Open many stores, of which those on object storage share one connection: a client costs more than a request.

    Raises:
        InputError: as `open_store`.
    """
    stores: list[Store] = []
    remote: Store | None = None
    for uri in uris:
        stores.append(open_store(uri, remote))
        if stores[-1].directory is None:
            remote = stores[-1]
    return stores


def open_parent(uri: str | Path) -> tuple[Store, str]:
    """Return the store that contains the file at `uri`, and the file's key in it.

    Raises:
        InputError: an invalid URI, an unsupported scheme, or a bucket.
    """
    if str(uri).startswith(_S3):
        parent, _, name = str(uri).rpartition("/")
        if len(parent) < len(_S3) or not name:
            raise InputError(f"{uri} is not the URI of a file: write s3://BUCKET/.../FILE")
        return open_store(parent), name
    path = local_path(uri).absolute()
    return archive_in(path.parent) or FileStore(path.parent), path.name
