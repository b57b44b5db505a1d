"""The launcher's heartbeat, without which a training on other machines saves and stops.

A launcher that waits for its job writes `launcher/heartbeat.json` into the run, again and again, and the job watches
this file. If it has not changed for some minutes, the launcher is gone for good: a canceled pipeline run, for example,
ends the launcher and not its job. So the training saves and stops, instead of holding its GPUs for days. A launcher
that was only moved to another node is back before that, and continues.

This is not a lock: `grokcore.runs.lease` decides who may write the run. Clocks of two machines are not compared: the
job counts the time during which it could read the file and saw no change; time in which the store cannot be read does
not count.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from grokcore.errors import AbsentError, GrokcoreError, InputError, StoppedError
from grokcore.runs.resume import LAUNCHER
from grokcore.spec.ranks import rank_of_environment
from grokcore.storage import Store, open_store
from grokcore.storage.store import encode_json
from grokcore.training.signals import StopRequest

HEARTBEAT = f"{LAUNCHER}/heartbeat.json"
ABANDONED = f"{LAUNCHER}/abandoned.json"
"""Written by a training that has stopped without a heartbeat, so that its restart need not wait again."""

BEAT_SECONDS = 60.0
PATIENCE_SECONDS = 900.0
PATIENCE_VARIABLE = "GROKCORE_LAUNCHER_PATIENCE"
"""Set in a job whose launcher has a heartbeat: seconds without one after which training saves and stops."""


class Heartbeat:
    """Writes heartbeats in a thread until the end of the block.

    Raises:
        GrokcoreError: the first heartbeat could not be written; later ones are retried.
    """

    def __init__(self, run: Store, *, seconds: float = BEAT_SECONDS) -> None:
        self._run, self._seconds = run, seconds
        self._launcher = f"process {os.getpid()} on {socket.gethostname()}"
        self._life = os.urandom(8).hex()  # two launchers never write the same
        self._beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(5)  # the store may be out of reach

    def _work(self) -> None:
        while not self._over.wait(self._seconds):
            with suppress(GrokcoreError):
                self._beat()

    def _beat(self) -> None:
        self._beats += 1
        record = {"launcher": self._launcher, "life": self._life, "beats": self._beats}
        self._run.write(HEARTBEAT, encode_json(record))


def forget_launcher(run: Store) -> None:
    """Remove the files of launcher and training, once the run is trained."""
    for key in (HEARTBEAT, ABANDONED):
        with suppress(GrokcoreError):
            run.delete(key)


def is_launched() -> bool:
    """Return whether this process trains for a launcher, and is the one of its processes that speaks for the run."""
    return PATIENCE_VARIABLE in os.environ and rank_of_environment().rank == 0


@contextmanager
def stop_without_launcher(
    run: str, stop: StopRequest, *, notify: Callable[[str], None] = lambda line: None
) -> Iterator[None]:
    """Request a stop inside the block once the launcher of the run at `run` is gone.

    Raises:
        StoppedError: an earlier attempt has found the launcher gone, and there has been no heartbeat since.
        InputError: the environment does not give the patience as a number of seconds.
    """
    patience = _patience()
    store = open_store(run)
    if _is_abandoned(store):
        raise StoppedError(f"nobody waits for the run at {run} any more: submit it again to go on")
    over = threading.Event()

    def watch() -> None:
        if _wait_for_silence(store, patience, over):
            notify(f"no sign of life from the launcher for {patience:g} s: saving, and stopping")
            stop.requested = True

    threading.Thread(target=watch, name="launcher", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _patience() -> float:
    text = os.environ.get(PATIENCE_VARIABLE, "")
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < float("inf"):
            return seconds
    raise InputError(f"{PATIENCE_VARIABLE}={text!r} must be a number of seconds above 0, for example 900")


def _wait_for_silence(run: Store, patience: float, over: threading.Event) -> bool:
    """Return True once the heartbeat has not changed for `patience` seconds, False once `over`."""
    pause = min(30.0, patience / 10)
    last, silence = _read(run), 0.0
    while not over.wait(pause):
        try:
            now = _read_strictly(run)
        except GrokcoreError:
            continue
        # What counts is the pause and not the clock: a process that was frozen has not been listening.
        silence = silence + pause if now == last else 0.0
        last = now
        if silence >= patience:
            with suppress(GrokcoreError):
                run.write(ABANDONED, encode_json({"heartbeat": _fingerprint(now)}))
            return True
    return False


def _is_abandoned(run: Store) -> bool:
    try:
        mark = run.read_json(ABANDONED)
        return isinstance(mark, dict) and mark.get("heartbeat") == _fingerprint(_read_strictly(run))
    except GrokcoreError:  # no mark, or nobody knows
        return False


def _read_strictly(run: Store) -> bytes:
    """Return the last heartbeat; empty if there was none.

    Raises:
        GrokcoreError: the store cannot be read.
    """
    try:
        return run.read(HEARTBEAT)
    except AbsentError:
        return b""


def _read(run: Store) -> bytes | None:
    try:
        return _read_strictly(run)
    except GrokcoreError:
        return None


def _fingerprint(beat: bytes) -> str:
    return hashlib.sha256(beat).hexdigest()
