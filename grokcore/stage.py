"""Stages of a pipeline, which fail in one line and record the failure for retries.

Kubeflow Pipelines does not distinguish a wrong spec from a lost node: its launcher exits with 1 and retries both. A
failed stage therefore writes `error.json`, which a retry reads first to give up at once on bad input. A retry ignores
records of other pipelines at the same location (a second pipeline with the same run key).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from grokcore.errors import (
    EXIT_BAD_INPUT,
    DeniedError,
    GrokcoreError,
    InputError,
    StoppedError,
    TransientError,
    error_of_the_machine,
)
from grokcore.storage import Store, open_parent, open_store, write_json
from grokcore.storage.layout import RUN_KEY_VARIABLE

ERROR_FILE = "error.json"
ERROR_FILE_VARIABLE = "GROKCORE_ERROR_FILE"
"""Environment variable with an additional file for the failure record, read by the local runner's parent."""
STOP_VARIABLE = "GROKCORE_STOP"
"""Environment variable set by the local runner when it is stopped, so that no further stage starts."""
RETRY_VARIABLE = "KFP_RETRY_INDEX"
"""Environment variable in which Kubeflow Pipelines passes the number of earlier attempts."""

_KINDS: dict[type[GrokcoreError], str] = {
    DeniedError: "bad input",
    InputError: "bad input",
    TransientError: "transient",
    StoppedError: "stopped",
}


@dataclass(frozen=True)
class Failure:
    """Why a stage failed: the content of `error.json`.

    Attributes:
        caller: id of the stage's Kubeflow run; empty outside Kubeflow.
    """

    stage: str
    kind: str
    message: str
    exit_code: int
    caller: str = ""

    @classmethod
    def of(cls, stage: str, error: BaseException) -> Failure:
        if isinstance(error, GrokcoreError):
            kind = next((name for kind_of_error, name in _KINDS.items() if isinstance(error, kind_of_error)), "error")
            return cls(stage, kind, _one_line(str(error)), error.exit_code, _caller())
        return cls(stage, "bug", _one_line(f"{type(error).__name__}: {error}"), 1, _caller())

    @classmethod
    def read(cls, uri: str | Path) -> Failure | None:
        """Read a failure record; None if there is no readable one."""
        try:
            store, name = open_parent(uri)
            record = store.read_json(name)
            stage, kind, message = (str(record[name]) for name in ("stage", "kind", "message"))
            return cls(stage, kind, message, int(record["exit_code"]), str(record.get("caller", "")))
        except (GrokcoreError, AttributeError, KeyError, TypeError, ValueError, OverflowError):
            return None

    def error(self) -> GrokcoreError:
        """Error to raise for this failure of another process."""
        kind = {name: error for error, name in _KINDS.items()}.get(self.kind, GrokcoreError)
        message = f"{self.stage} failed with a bug in grokcore: {self.message}" if self.kind == "bug" else self.message
        return kind(message)


@contextmanager
def stage(name: str, place: str | Path | None = None) -> Iterator[None]:
    """Run the block as stage `name`; a failure writes `error.json` to `place`.

    A grokcore error is printed in one line and ends the process with its exit code. Any other exception is a bug and
    keeps its traceback. Success removes the record.

    Args:
        name: of the stage, for messages.
        place: path or URI that is the same for a retry; None for no record.

    Raises:
        SystemExit: a grokcore error was raised, here or, for bad input, at an earlier attempt.
    """
    store: Store | None = None
    try:
        if place is not None:
            store = open_store(place)
            _refuse_to_repeat(store)
        if os.environ.get(STOP_VARIABLE):
            raise StoppedError("stopped before it began")
        yield
    except (Exception, KeyboardInterrupt) as raised:
        stopped = StoppedError("interrupted") if isinstance(raised, KeyboardInterrupt) else None
        error = stopped or error_of_the_machine(raised) or raised
        failure = Failure.of(name, error)
        for write in _records(store):
            with suppress(GrokcoreError):  # a full disk must not hide the error that it caused
                write(asdict(failure))
        if not isinstance(error, GrokcoreError):
            raise
        print(f"{name}: {failure.message}", file=sys.stderr, flush=True)
        raise SystemExit(failure.exit_code) from None
    if store is not None:
        _forget(store)


def _refuse_to_repeat(store: Store) -> None:
    """Raise an earlier attempt's bad input again; a first attempt starts afresh, since the input may have changed."""
    retry = os.environ.get(RETRY_VARIABLE, "0") not in ("", "0")
    failure = Failure.read(store.uri_of(ERROR_FILE)) if retry else None
    if failure is not None and failure.exit_code == EXIT_BAD_INPUT and failure.caller == _caller():
        raise failure.error()
    _forget(store)


def _caller() -> str:
    return os.environ.get(RUN_KEY_VARIABLE, "")


def _forget(store: Store) -> None:
    """Remove an earlier attempt's record; ignore failures, which must not fail a working stage."""
    with suppress(GrokcoreError):
        store.delete(ERROR_FILE)


def _records(store: Store | None) -> Iterator[Callable[[Any], None]]:
    """Yield a function that writes the failure record, for each destination."""
    if store is not None:
        yield partial(store.write_json, ERROR_FILE)
    path = os.environ.get(ERROR_FILE_VARIABLE)
    if path:
        yield partial(write_json, Path(path))


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "no message"
