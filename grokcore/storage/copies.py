"""Files of a store as files of this machine, for whatever reads them by their paths."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from grokcore.errors import AbsentError, GrokcoreError
from grokcore.storage.local import local_path, temporary_directory
from grokcore.storage.store import Store, check_key
from grokcore.storage.uri import open_store


@contextmanager
def local_copy(uri: str | Path, wanted: Collection[str]) -> Iterator[Path]:
    """The directory at `uri` itself where this machine has it; else a copy of what is wanted, gone after the block.

    Errors that are raised inside the block, and name a file of the copy, name the original instead.

    Args:
        wanted: names of files, and of directories with `/` at their end. What is absent is left out.

    Raises:
        InputError: the URI names no place, or one that may not be read.
        TransientError: the store could not be reached.
    """
    store = open_store(uri)
    if store.directory is not None:
        yield local_path(uri)
        return
    with temporary_directory() as copy:
        for key in _keys(store, wanted):
            try:
                store.download(key, copy / key)
            except AbsentError:
                continue
        with errors_name(copy, store.uri):
            yield copy


def _keys(store: Store, wanted: Collection[str]) -> Iterator[str]:
    for name in wanted:
        if name.endswith("/"):
            yield from (check_key(file.key) for file in store.files(name.removesuffix("/")))
        else:
            yield name


@contextmanager
def errors_name(copy: Path, original: str) -> Iterator[None]:
    """Let the errors of the block speak of `original` where they would speak of its copy."""
    try:
        yield
    except GrokcoreError as error:
        if str(copy) not in str(error):
            raise
        raise type(error)(str(error).replace(str(copy), original)) from None
