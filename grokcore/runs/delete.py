"""Delete a run, or the leftovers of unfinished writes in it; nothing outside it is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress

from grokcore.errors import InputError
from grokcore.runs.checkpoints import FOLDER as CHECKPOINTS
from grokcore.runs.checkpoints import orphans_of
from grokcore.runs.lease import FOLDER as LEASE
from grokcore.runs.lock import LOCK, sole_writer
from grokcore.runs.manifest import DELETING, MANIFEST, read_manifest
from grokcore.runs.seal import SPEC
from grokcore.spec import read_spec
from grokcore.storage import Store, clear_errors, local_copy


def check_run(run: Store) -> None:
    """Check that there is a run, or the rest of an interrupted deletion, and no other run inside it.

    Raises:
        InputError: there is something else.
    """
    if run.directory is not None and run.directory.is_symlink():
        raise InputError(f"{run} is a symbolic link: name the directory that it leads to")
    if run.find(DELETING) is None:
        _check_manifest(run)
    for file in run.files():
        inside, _, name = file.key.rpartition("/")
        if name == MANIFEST and inside and not inside.startswith(f"{CHECKPOINTS}/"):
            raise InputError(f"{run} has another run inside it, {inside}: name that one, or move it elsewhere first")


def _check_manifest(run: Store) -> None:
    """Check the manifest; since many programs write a manifest.json, a damaged one counts only beside a spec."""
    try:
        read_manifest(run)
    except InputError as damage:
        if run.find(MANIFEST) is None:
            raise
        with local_copy(run.uri, (SPEC,)) as record:
            try:
                read_spec(record / SPEC)
            except InputError:
                raise InputError(f"{run} is not a run: {damage}") from None


def delete_run(run: Store, *, notify: Callable[[str], None] = lambda line: None) -> None:
    """Delete a run with all its files.

    Deletion first hides the run from every reader; after an interruption, the same call finishes it.

    Args:
        notify: called with a line before waiting to see whether the run's last writer is still alive.

    Raises:
        InputError: there is no run.
        TransientError: it is being written, or the store did not answer.
    """
    check_run(run)
    with sole_writer(run, notify=notify) as writer:
        store = writer.store
        store.write_json(DELETING, {"format": 1})
        store.delete(MANIFEST)
        _delete_all_but((DELETING, LOCK, LEASE), store)
        store.remove_leftovers(store.leftovers())
        store.delete(DELETING)
        ours = [file.key for file in run.files(LEASE)]
    for key in ours:  # if somebody has begun a new run by now, it goes by a lease of its own
        run.delete(key)
    if run.directory is not None:
        with suppress(OSError):
            run.directory.rmdir()


def _delete_all_but(kept: Collection[str], store: Store) -> None:
    """Delete everything in a store but the files and directories of some names; of a link, the link alone."""
    if store.directory is not None:
        with clear_errors("delete", store.directory), os.scandir(store.directory) as entries:
            for entry in entries:
                if entry.name not in kept:
                    _remove(entry)
        return
    for name in sorted({file.key.partition("/")[0] for file in store.files()}.difference(kept)):
        store.delete_all(name)
        store.delete(name)


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)


def delete_leftovers(run: Store, *, notify: Callable[[str], None] = lambda line: None) -> list[str]:
    """Delete the leftovers of unfinished writes in a run, and return their names.

    Args:
        notify: as in `delete_run`.

    Raises:
        InputError: there is no run.
        TransientError: it is being written, so that some of its writes are unfinished still; or the store did not
            answer.
    """
    check_run(run)
    with sole_writer(run, notify=notify) as writer:
        names = writer.store.leftovers()
        orphans = [file.key for file in orphans_of(run) if _lies_inside(run, file.key)]
        writer.store.remove_leftovers(names)
        for key in orphans:
            writer.store.delete(key)
    return [*names, *orphans]


def _lies_inside(run: Store, key: str) -> bool:
    """Whether a file lies in the run, and not where a symbolic link in it leads to."""
    if run.directory is None:
        return True
    return (run.directory / key).resolve().is_relative_to(run.directory.resolve())
