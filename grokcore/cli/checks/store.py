"""Whether a store can be used, found out by using it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

from grokcore.cli.checks.check import Check
from grokcore.errors import GrokcoreError
from grokcore.storage import Store, open_store


def store(uri: str) -> Iterator[Check]:
    """Write, read, list and delete in a folder of a name that nobody else uses; nothing is left behind.

    Raises:
        InputError: `uri` is none.
    """
    top = open_store(uri)
    yield Check("store", top.uri)
    folder = f"grokcore-doctor-{uuid.uuid4().hex}"
    place = top.child(folder)
    try:
        for name, attempt in _ATTEMPTS.items():
            check = _tried(name, attempt, place)
            yield check
            if check.verdict == "failed" and name == "write":  # nothing else can work
                return
    finally:
        with suppress(GrokcoreError):
            top.delete_all(folder)


def _tried(name: str, attempt: Callable[[Store], str], place: Store) -> Check:
    try:
        trouble = attempt(place)
    except GrokcoreError as error:
        trouble = str(error)
    return Check(f"  {name}", "failed", trouble, "failed") if trouble else Check(f"  {name}", "ok")


def _write(place: Store) -> str:
    place.write("probe", b"grokcore")
    return ""


def _read(place: Store) -> str:
    return "" if place.read("probe") == b"grokcore" else "what was read is not what was written"


def _list(place: Store) -> str:
    return "" if [file.key for file in place.files()] == ["probe"] else "what was written is not listed"


def _conditional_write(place: Store) -> str:
    first, second = (place.write_new("new", content) for content in (b"first", b"second"))
    if first and not second and place.read("new") == b"first":
        return ""
    return "a second writer is not refused: let only one process at a time train a run, and move a champion"


def _delete(place: Store) -> str:
    place.delete("probe")
    return "" if place.find("probe") is None else "what was deleted is still there"


_ATTEMPTS: dict[str, Callable[[Store], str]] = {
    "write": _write,
    "read": _read,
    "list": _list,
    "conditional write": _conditional_write,
    "delete": _delete,
}
"""Each returns what is wrong, nothing where it works."""
