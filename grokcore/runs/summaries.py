"""Read the summaries of many runs while their store is listed; keep those of object storage in this user's cache.

A copy counts while the listing shows the ETag that it was read with: a list asks for those alone that are new.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from grokcore.documents import decode_json
from grokcore.errors import GrokcoreError
from grokcore.runs.summary import SUMMARY, Summary, read_summary
from grokcore.storage import CONCURRENT_READS, Store, StoredFile, read_bytes, write_atomically
from grokcore.storage.copies import cache_folder

FEWEST_KEPT = 100
"""Summaries of a listing that are worth a file in the cache."""


class _Copies(BaseModel):
    """The content of a file in the cache: ETag and summary by key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    uri: str
    summaries: dict[str, tuple[str, Summary]]


def list_with_summaries(root: Store) -> tuple[list[StoredFile], dict[str, Summary]]:
    """List the files below `root`, and read every summary.json among them.

    Returns:
        The files in order, and the summaries by key; one that cannot be read is left out.

    Raises:
        InputError, DeniedError, TransientError: as Store.files and Store.read.
    """
    copies = _read_copies(root)
    files: list[StoredFile] = []
    summaries: dict[str, Summary] = {}
    asked: dict[str, Future[Summary | None]] = {}
    pool = ThreadPoolExecutor(CONCURRENT_READS)
    try:
        with _no_cycle_collection():
            for file in root.files():
                files.append(file)
                if file.key.rpartition("/")[2] != SUMMARY:
                    continue
                etag, copy = copies.get(file.key, ("", None))
                if copy is not None and etag == file.etag:
                    summaries[file.key] = copy
                else:
                    asked[file.key] = pool.submit(read_summary, root, file.key)
            read = {key: summary for key, future in asked.items() if (summary := future.result()) is not None}
    finally:
        pool.shutdown(cancel_futures=True)
    summaries |= read
    etags = {file.key: file.etag for file in files if file.key in summaries and file.etag}
    if len(etags) >= FEWEST_KEPT and (read or copies.keys() != etags.keys()):
        _write_copies(root, {key: (etag, summaries[key]) for key, etag in etags.items()})
    return files, summaries


@contextmanager
def _no_cycle_collection() -> Iterator[None]:
    """Pause Python's search for cyclic garbage: requests leave none, and it would go through all files at each turn."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_copies(root: Store) -> Mapping[str, tuple[str, Summary]]:
    if root.directory is not None:
        return {}
    try:
        copies = _Copies.model_validate(decode_json(read_bytes(_file_of(root))))
    except (GrokcoreError, ValueError, RecursionError):  # there are none, or they are damaged
        return {}
    return copies.summaries if copies.uri == root.uri else {}


def _write_copies(root: Store, summaries: dict[str, tuple[str, Summary]]) -> None:
    with suppress(GrokcoreError):  # a list does not need them
        write_atomically(_file_of(root), _Copies(uri=root.uri, summaries=summaries).model_dump_json().encode())


def _file_of(root: Store) -> Path:
    return cache_folder("summaries") / f"{hashlib.sha256(root.uri.encode()).hexdigest()[:32]}.json"
