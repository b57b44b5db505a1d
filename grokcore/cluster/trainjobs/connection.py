"""Connect to the Kubernetes API, translate its errors, and retry while it is unavailable."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from grokcore.errors import GrokcoreError, InputError, TransientError

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Service account files that Kubernetes mounts into a pod."""

T = TypeVar("T")

REQUEST_SECONDS = (10, 60)
"""Connect and read timeouts."""


class AbsentObjectError(GrokcoreError):
    """The object does not exist in the namespace."""


class ConflictError(GrokcoreError):
    """The object was created or changed concurrently."""


def connect() -> tuple[Any, str]:
    """Return an API client and its namespace, from KUBECONFIG, the pod's service account, or ~/.kube/config.

    Raises:
        InputError: no cluster is configured, or the Kubernetes client is not installed.
    """
    try:
        from kubernetes import client, config
    except ModuleNotFoundError:
        raise InputError("TrainJobs need the Kubernetes client: pip install 'grokcore[pipelines]'") from None
    configuration = client.Configuration()
    configuration.retries = False  # callers retry, with a remark
    file = os.environ.get("KUBECONFIG")  # the package reads it only once, on import
    try:
        if not file and (_POD / "token").is_file():
            config.load_incluster_config(client_configuration=configuration)
            namespace = (_POD / "namespace").read_text().strip()
        else:
            config.load_kube_config(file, client_configuration=configuration)
            context = config.list_kube_config_contexts(file)[1]["context"]
            namespace = context.get("namespace", "default")
    except (config.ConfigException, OSError, KeyError, TypeError) as error:
        why = str(error).partition("\n")[0]
        raise InputError(
            f"no Kubernetes cluster is configured ({why}): run in a pod with a service account, or "
            "name a kubeconfig in "
            f"KUBECONFIG"
        ) from None
    return client.ApiClient(configuration), namespace


@contextmanager
def translated_errors(verb: str, resource: str, namespace: str) -> Iterator[None]:
    """Translate errors of the API in the block to our own.

    Args:
        verb: the right that the request needs, as in a Role.
        resource: of the right, with its group: `trainjobs.trainer.kubeflow.org`.

    Raises:
        AbsentObjectError: the object does not exist.
        ConflictError: the object exists already, or has changed.
        InputError: the right is missing, or the request is invalid.
        TransientError: no response, or a transient failure.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    request = f"{verb} {resource} in namespace {namespace}"
    try:
        yield
    except ApiException as error:
        raise _error_of(error.status, _message(error.body) or str(error.reason), request) from None
    except (HTTPError, OSError) as error:
        raise TransientError(f"Kubernetes is unreachable, to {request}: {_cause(error)}") from None


def _error_of(status: int, message: str, request: str) -> GrokcoreError:
    if status == 404:
        return AbsentObjectError(f"Kubernetes did not find the object to {request}: {message}")
    if status == 409:
        return ConflictError(f"Kubernetes could not {request}: {message}")
    if status == 403 and " cannot " in message:  # from the API server; admission webhooks use the same status
        return InputError(
            f"this service account may not {request}: grant the right, as manifests/components/trainjob does"
        )
    if status in (400, 403, 405, 413, 415, 422):
        return InputError(f"Kubernetes refused to {request}: {message}")
    if status == 401:  # usually a token that is being renewed
        return TransientError(
            f"Kubernetes did not authenticate the request to {request}: the token is missing, wrong or expired"
        )
    return TransientError(f"Kubernetes could not {request} (HTTP {status}): {message}")


def _message(body: Any) -> str:
    try:
        document = json.loads(body)
        return str(document["message"])
    except (TypeError, ValueError, KeyError):
        return ""


def _cause(error: BaseException) -> str:
    """Innermost reason, without the request details that urllib3 wraps around it."""
    while (inner := getattr(error, "reason", None)) is not None and isinstance(inner, BaseException):
        error = inner
    text = str(error).rpartition(": ")[2] or type(error).__name__
    return " ".join(text.split())


def found(call: Callable[[], T]) -> T | None:
    """Result of a request, or None if the object does not exist."""
    try:
        return call()
    except AbsentObjectError:
        return None


_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class Patience:
    """Retry transient failures with growing pauses, for up to `seconds` in a row.

    Args:
        notify: called when calls start to fail, and when they succeed again.
        check_stop: called between attempts; its errors end the wait.
    """

    def __init__(
        self,
        seconds: float,
        *,
        first_pause: float = _FIRST_PAUSE,
        notify: Callable[[str], None] = lambda line: None,
        check_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._seconds, self._first_pause = seconds, first_pause
        self._notify, self._check_stop = notify, check_stop
        self._since: float | None = None
        self._pause = first_pause
        self._due = 0.0

    def ask(self, call: Callable[[], T]) -> T:
        """Call until it succeeds, and return the result.

        Raises:
            TransientError: it failed for too long.
        """
        while True:
            self._check_stop()
            if self.ready:
                try:
                    answer = call()
                except TransientError as error:
                    self.failed(error)
                else:
                    self.worked()
                    return answer
            time.sleep(min(1.0, max(0.0, self._due - time.monotonic())))

    @property
    def ready(self) -> bool:
        """Whether the next attempt is due."""
        return time.monotonic() >= self._due

    def failed(self, error: TransientError) -> None:
        """Record a failure and schedule the next attempt.

        Raises:
            TransientError: calls have failed for too long.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._notify(f"{error}; trying again")
        elif now - self._since >= self._seconds:
            raise TransientError(f"{error} (for {now - self._since:.0f} s)") from None
        self._due, self._pause = now + self._pause, min(2 * self._pause, _LONGEST_PAUSE)

    def worked(self) -> None:
        """Record a success."""
        if self._since is not None:
            self._notify("Kubernetes is back")
        self._since, self._due, self._pause = None, 0.0, self._first_pause
