"""Where datasets and runs live: one narrow door to storage, behind a URI."""

from grokcore.storage.local import (
    clear_errors,
    local_path,
    new_directory,
    read_bytes,
    read_json,
    sha256,
    write_atomically,
    write_json,
)

__all__ = [
    "clear_errors",
    "local_path",
    "new_directory",
    "read_bytes",
    "read_json",
    "sha256",
    "write_atomically",
    "write_json",
]
