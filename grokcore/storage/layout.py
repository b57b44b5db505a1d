"""Paths of datasets, runs, sweeps and champions in a store, so that retries and later runs find them."""

from __future__ import annotations

import os
import re

from grokcore.errors import InputError

STORE_VARIABLE = "GROKCORE_STORE"
"""Environment variable with the default store."""
RUN_KEY_VARIABLE = "GROKCORE_RUN_KEY"
"""Environment variable with the default run key; a pipeline on a cluster sets it to the id of its run."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PIPELINE_RUN = re.compile(
    rf"/(?P<cluster>{_UUID})/[^/]+(?:/{_UUID})?/[^/]+$|/(?P<local>[^/]+-\d{{4}}(?:-\d\d){{5}}-\d{{6}})/[^/]+/[^/]+$"
)
"""The run of a pipeline in the URI of an output artifact: ROOT/PIPELINE/RUN/TASK[/EXECUTION]/NAME, all UUIDs but the
task's and artifact's names; the local runner has ROOT/PIPELINE-TIME/TASK/NAME."""


def run_uri(store: str, run_id: str, run_key: str) -> str:
    """`{store}/runs/{run_id}/{run_key}`.

    Raises:
        InputError: the key could leave the store.
    """
    if not _KEY.fullmatch(run_key):
        raise InputError(f"run_key {run_key!r} must be 1 to 128 letters, digits, '.', '_' or '-'")
    return f"{store.rstrip('/')}/runs/{run_id}/{run_key}"


def run_place(store: str, run_id: str, run_key: str) -> str | None:
    """URI of a run, with defaults from the environment for empty arguments; None without a store.

    Raises:
        InputError: there is a store but no run key.
    """
    store = store or os.environ.get(STORE_VARIABLE, "")
    if not store:
        return None
    run_key = default_key(run_key)
    if not run_key:
        raise InputError("run_key is empty: set a key, by which later attempts find the run's checkpoints")
    return run_uri(store, run_id, run_key)


def default_key(run_key: str, artifact: str = "") -> str:
    """`run_key`, else that of the environment, else the pipeline run in `artifact`, else empty.

    Args:
        artifact: URI of an output artifact of the calling task; all tasks and retries of a pipeline run agree on the
            run in it.
    """
    found = _PIPELINE_RUN.search(artifact)
    return run_key or os.environ.get(RUN_KEY_VARIABLE, "") or (found["cluster"] or found["local"] if found else "")


def dataset_uri(store: str, dataset_id: str) -> str:
    """`{store}/datasets/{dataset_id}`."""
    return f"{store.rstrip('/')}/datasets/{dataset_id}"


def sweep_uri(store: str, name: str) -> str:
    """`{store}/sweeps/{name}`.

    Raises:
        InputError: the name could leave the store.
    """
    if not _KEY.fullmatch(name):
        raise InputError(f"the sweep's name {name!r} must be 1 to 128 letters, digits, '.', '_' or '-'")
    return f"{store.rstrip('/')}/sweeps/{name}"


def sweep_place(store: str, name: str) -> str | None:
    """URI of a sweep, with the default store if empty; None without a store or a name."""
    store = store or os.environ.get(STORE_VARIABLE, "")
    return sweep_uri(store, name) if store and name else None


def champion_key(name: str) -> str:
    """`champions/{name}`: directory of a champion's history in its store; its pointer is `champions/{name}.json`.

    Raises:
        InputError: the name could leave the store, or collide with a pointer.
    """
    if not _KEY.fullmatch(name) or name.endswith(".json"):
        raise InputError(
            f"the champion's name {name!r} must be 1 to 128 letters, digits, '.', '_' or '-', and not end in .json"
        )
    return f"champions/{name}"


def retraining_uri(store: str, name: str, run_key: str) -> str:
    """`{store}/retrainings/{name}/{run_key}.json`, with defaults from the environment for empty arguments.

    Raises:
        InputError: a missing store or key, or a name or key that could leave the store.
    """
    champion_key(name)
    return f"{champion_store(store)}/retrainings/{name}/{retraining_key(run_key)}.json"


def retraining_key(run_key: str) -> str:
    """Key of a retraining, by default from the environment.

    Raises:
        InputError: it is missing, or could leave the store.
    """
    run_key = default_key(run_key)
    if not _KEY.fullmatch(run_key):
        raise InputError(
            f"run_key {run_key!r} must be 1 to 128 letters, digits, '.', '_' or '-'; it tells retrainings apart"
        )
    return run_key


def champion_store(store: str) -> str:
    """Store of champions, by default from the environment.

    Raises:
        InputError: no store is given.
    """
    store = store or os.environ.get(STORE_VARIABLE, "")
    if not store:
        raise InputError(f"a champion needs a store: give one, or set {STORE_VARIABLE}")
    return store.rstrip("/")


def comparable_runs(uris: list[str], run: str) -> list[str]:
    """Validate that each of `uris` is a run in the store of `run` or on object storage, and return them.

    Otherwise a form could make a pipeline read any directory of its machine.

    Raises:
        InputError: a URI is a path outside the store.
    """
    store, separator, _ = run.rpartition("/runs/")
    for uri in uris:
        if uri.startswith("s3://"):
            continue
        inside = bool(separator) and uri.startswith(f"{store}/runs/") and ".." not in uri.split("/")
        if not inside:
            allowed = f"{store}/runs/RUN_ID/RUN_KEY" if separator else "s3://BUCKET/.../RUN_ID/RUN_KEY"
            raise InputError(f"compare_run_uris: {uri} is not a run in this run's store; give {allowed}")
    return list(uris)
