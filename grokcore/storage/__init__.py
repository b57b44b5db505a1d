"""Storage of datasets and runs behind a URI: a directory or a prefix in an S3 bucket."""

from grokcore.storage.copies import local_copy
from grokcore.storage.directory import FileStore
from grokcore.storage.local import (
    clear_errors,
    local_path,
    new_directory,
    read_bytes,
    read_json,
    sha256,
    temporary_directory,
    write_atomically,
    write_json,
)
from grokcore.storage.store import CONCURRENT_READS, Store, StoredFile
from grokcore.storage.uri import open_parent, open_store, open_stores

__all__ = [
    "CONCURRENT_READS",
    "FileStore",
    "Store",
    "StoredFile",
    "clear_errors",
    "local_copy",
    "local_path",
    "new_directory",
    "open_parent",
    "open_store",
    "open_stores",
    "read_bytes",
    "read_json",
    "sha256",
    "temporary_directory",
    "write_atomically",
    "write_json",
]
