"""A stage of a pipeline that fails in one line, and leaves word of it for whoever comes next.

Kubeflow Pipelines cannot tell a wrong spec from a lost node: its launcher exits with 1 either way, and retries both.
So a stage that fails leaves `error.json` in its place; a retry reads it first and gives up at once where trying again
cannot help. Other calls may fail at the same place (a second pipeline with the same run key): a retry heeds the record
of its own pipeline alone.
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
"""Names a further file for the record of a failure: how the local runner's parent learns what went wrong."""
STOP_VARIABLE = "GROKCORE_STOP"
"""Set by the local runner once it was told to stop, so that no further stage begins."""
RETRY_VARIABLE = "KFP_RETRY_INDEX"
"""Set by Kubeflow Pipelines to the number of attempts made before this one."""

_KINDS: dict[type[GrokcoreError], str] = {
    InputError: "bad input",
    TransientError: "transient",
    StoppedError: "stopped",
}


@dataclass(frozen=True)
class Failure:
    """Why a stage failed: the content of `error.json`.

    Attributes:
        caller: id of the Kubeflow run that the stage belongs to; empty elsewhere.
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
        """The failure recorded in a file, or None where there is none that can be read."""
        try:
            store, name = open_parent(uri)
            record = store.read_json(name)
            stage, kind, message = (str(record[name]) for name in ("stage", "kind", "message"))
            return cls(stage, kind, message, int(record["exit_code"]), str(record.get("caller", "")))
        except (GrokcoreError, AttributeError, KeyError, TypeError, ValueError, OverflowError):
            return None

    def error(self) -> GrokcoreError:
        """The error to raise for a failure that happened in another process."""
        kind = {name: error for error, name in _KINDS.items()}.get(self.kind, GrokcoreError)
        message = f"{self.stage} failed with a bug in grokcore: {self.message}" if self.kind == "bug" else self.message
        return kind(message)


@contextmanager
def stage(name: str, place: str | Path | None = None) -> Iterator[None]:
    """Run the block as stage `name`, which leaves `error.json` at `place` when it fails.

    A grokcore error is printed in one line and ends the process with the error's exit code. Any other exception is a
    bug and keeps its traceback. The record is removed once the stage succeeds.

    Args:
        name: what people call the stage.
        place: path or URI that a retry finds again; None leaves no record behind.

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
    """Raise an earlier attempt's bad input again; a first attempt starts afresh, since the input may be mended."""
    retry = os.environ.get(RETRY_VARIABLE, "0") not in ("", "0")
    failure = Failure.read(store.uri_of(ERROR_FILE)) if retry else None
    if failure is not None and failure.exit_code == EXIT_BAD_INPUT and failure.caller == _caller():
        raise failure.error()
    _forget(store)


def _caller() -> str:
    return os.environ.get(RUN_KEY_VARIABLE, "")


def _forget(store: Store) -> None:
    """Remove an earlier attempt's record; where that fails, a stage that works must not fail over it."""
    with suppress(GrokcoreError):
        store.delete(ERROR_FILE)


def _records(store: Store | None) -> Iterator[Callable[[Any], None]]:
    """How to write a failure, for each place that gets a record of it."""
    if store is not None:
        yield partial(store.write_json, ERROR_FILE)
    path = os.environ.get(ERROR_FILE_VARIABLE)
    if path:
        yield partial(write_json, Path(path))


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "no message"
