"""Progress of a TrainJob, for `status.trainerStatus`: percentage, time left, accuracies and phases.

The controller of Kubeflow Trainer 2.2 and later, with its feature gate TrainJobStatus, gives every pod of a TrainJob
the URL of its status server, a certificate authority and a token, which it renews (kubeflow/trainer,
docs/proposals/2779-trainjob-progress). The rank that leads reports; without the variables nothing is done.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grokcore.errors import InputError
from grokcore.runs.journal import JournalLine
from grokcore.runs.pace import seconds_left
from grokcore.spec import ExperimentSpec
from grokcore.spec.ranks import rank_of_environment
from grokcore.telemetry.sinks import FAILURES
from grokcore.telemetry.webhook import NoRedirect
from grokcore.version import __version__

URL_VARIABLE = "KUBEFLOW_TRAINER_SERVER_URL"
CA_VARIABLE = "KUBEFLOW_TRAINER_SERVER_CA_CERT"
TOKEN_VARIABLE = "KUBEFLOW_TRAINER_SERVER_TOKEN"  # noqa: S105 - names a file

PERIOD_SECONDS = 5.0
"""Between two reports, at least: the server takes few from all jobs together."""
REFRESH_SECONDS = 30.0
"""Between two reports while there is no evaluation."""
GRACE_SECONDS = 10.0
"""Longest wait for the last report."""
_TIMEOUT_SECONDS = 5.0
_MOST_METRICS, _LONGEST = 256, 64
"""What the API takes of metrics, and of the characters of a name or a value."""

_several = 0
"""How many blocks are under way that train several runs in this process, none of which is the whole job."""


@contextmanager
def several_runs() -> Iterator[None]:
    """Report no progress in the block: its runs are parts of a job, and each would claim to be all of it."""
    global _several
    _several += 1
    try:
        yield
    finally:
        _several -= 1


@dataclass(frozen=True)
class Server:
    """Where the progress goes.

    Attributes:
        ca, token: files, which are read for every request, since both are renewed.
    """

    url: str
    ca: Path
    token: Path

    @classmethod
    def of_environment(cls) -> Server | None:
        """The server that the controller has named; None outside of a TrainJob, or without the feature gate."""
        url, ca, token = (os.environ.get(name, "") for name in (URL_VARIABLE, CA_VARIABLE, TOKEN_VARIABLE))
        return cls(url, Path(ca), Path(token)) if url and ca and token else None

    def post(self, document: Any) -> None:
        """
        Raises:
            InputError: the server did not take it; says why, without the token.
        """
        if not self.url.startswith("https://"):
            raise InputError(f"{URL_VARIABLE} does not begin with https://")
        try:
            token = self.token.read_text("ascii").strip()
            context = ssl.create_default_context(cafile=str(self.ca))
        except (OSError, ValueError) as error:  # of which errors of certificates and of characters are some
            raise InputError(f"its token or certificate authority cannot be read: {error}") from None
        request = urllib.request.Request(  # noqa: S310 - https
            self.url,
            data=json.dumps(document, allow_nan=False).encode(),
            method="POST",
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "User-Agent": f"grokcore/{__version__}",
            },
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), NoRedirect
        )
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS):
                return
        except urllib.error.HTTPError as error:
            error.close()
            raise InputError(f"its server answered {error.code}") from None
        except urllib.error.URLError as error:
            cause: object = error.reason
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise InputError("the certificate of its server is not signed by its certificate authority")
        if isinstance(cause, TimeoutError):
            raise InputError(f"its server did not answer within {_TIMEOUT_SECONDS:g} s")
        raise InputError(f"its server could not be reached ({type(cause).__name__})")


class TrainJobProgress:
    """Reports the progress of one run. Training waits for nothing but the last report, and briefly."""

    def __init__(
        self,
        server: Server,
        spec: ExperimentSpec,
        lines: Sequence[JournalLine],
        read_step: Callable[[], int],
        notify: Callable[[str], None],
    ) -> None:
        """
        Args:
            lines: the journal that the run goes on from.
            read_step: returns the optimizer steps so far; called in a thread of its own.
            notify: called with a line, once, if a report was not taken.
        """
        self._server, self._spec, self._read_step, self._notify = server, spec, read_step, notify
        self._lines = list(lines)
        self._reason: str | None = None
        self._changed = threading.Condition()
        self._news, self._closed, self._warned = True, False, False
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, name="trainjob", daemon=True)
        self._thread.start()

    @classmethod
    def of_environment(
        cls,
        spec: ExperimentSpec,
        lines: Sequence[JournalLine],
        read_step: Callable[[], int],
        notify: Callable[[str], None],
    ) -> TrainJobProgress | None:
        """The reports of a run that is a whole TrainJob; None outside of one, and on all ranks but the first."""
        server = Server.of_environment()
        if server is None or _several or rank_of_environment().rank:
            return None
        return cls(server, spec, lines, read_step, notify)

    def show(self, line: JournalLine) -> None:
        """Report an evaluation; lines after it are not a part of the run any more."""
        with self._changed:
            self._lines = [*(known for known in self._lines if known["step"] < line["step"]), line]
            self._news = True
            self._changed.notify_all()
        self._warn()

    def end(self, reason: str) -> None:
        """Report why training ended, by `close`."""
        self._reason = reason

    def close(self) -> None:
        """Send the last report."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(GRACE_SECONDS)
        self._warn()

    def _work(self) -> None:
        last = -PERIOD_SECONDS
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=last + PERIOD_SECONDS - time.monotonic())
                self._changed.wait_for(
                    lambda: self._news or self._closed, timeout=last + REFRESH_SECONDS - time.monotonic()
                )
                self._news, closed, lines = False, self._closed, self._lines
            last = time.monotonic()
            try:
                self._server.post(status_request(self._spec, lines, self._read_step(), self._reason))
            except InputError as error:
                FAILURES.count("trainjob")
                self._problem = self._problem or str(error)
            if closed:
                return

    def _warn(self) -> None:
        if self._problem is not None and not self._warned:
            self._warned = True
            self._notify(f"the progress of the TrainJob was not reported; training goes on: {self._problem}")


def status_request(
    spec: ExperimentSpec, lines: Sequence[JournalLine], step: int, reason: str | None = None
) -> dict[str, Any]:
    """The document that the status server takes.

    Args:
        lines: the journal so far.
        step: optimizer steps so far.
        reason: why training ended; None while it goes on.
    """
    ended = reason is not None and reason != "stopped"
    status: dict[str, Any] = {
        "progressPercentage": 100 if ended else _percentage(spec, lines, step),
        "metrics": [
            {"name": name[:_LONGEST], "value": value[:_LONGEST]}
            for name, value in _metrics(spec, lines, step, reason).items()
        ][:_MOST_METRICS],
        "lastUpdatedTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    left = 0.0 if ended else seconds_left(lines, spec.training, step) if lines else None
    if left is not None:
        status["estimatedRemainingSeconds"] = min(round(left), 2**31 - 1)
    return {"trainerStatus": status}


def _percentage(spec: ExperimentSpec, lines: Sequence[JournalLine], step: int) -> int:
    """The share of the budget that is used up: of steps or of seconds, whichever is larger; 99 at most."""
    shares = [step / spec.training.max_steps]
    if lines and spec.training.max_seconds:
        shares.append(lines[-1]["clock"]["elapsed_seconds"] / spec.training.max_seconds)
    return min(99, int(100 * max(shares)))


def _metrics(spec: ExperimentSpec, lines: Sequence[JournalLine], step: int, reason: str | None) -> dict[str, str]:
    found = {"step": str(step), "max_steps": str(spec.training.max_steps)}
    if reason is not None:
        found["exit_reason"] = reason
    if not lines:
        return found
    line = lines[-1]
    for split, measured in {"train": line["train"], **line["splits"]}.items():
        for name in ("accuracy", "loss"):
            if measured.get(name) is not None:
                found[f"{name}/{split}"] = f"{measured[name]:.6g}"
    phases = line["phases"]
    found["phase/train"] = "learning" if phases["memorized"] is None else "memorized"
    for split, begun in phases.items():
        if split != "memorized":
            reached = [phase for phase in ("onset", "sustained", "collapsed") if begun[phase] is not None]
            found[f"phase/{split}"] = reached[-1] if reached else "none"
    return found
