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
"""What Kubernetes mounts into a pod that may talk to it."""

T = TypeVar("T")

REQUEST_SECONDS = (10, 60)
"""Until a connection stands, and until an answer has come."""


class AbsentObjectError(GrokcoreError):
    """There is no such object in the namespace."""


class ConflictError(GrokcoreError):
    """Somebody else has made or changed the object in the meantime."""


def connect() -> tuple[Any, str]:
    """A client of the API, and the namespace that it is for.

    KUBECONFIG comes first, then the pod's own service account, then ~/.kube/config.

    Raises:
        InputError: there is no cluster to talk to, or the package that talks to it is absent.
    """
    try:
        from kubernetes import client, config
    except ModuleNotFoundError:
        raise InputError("TrainJobs need the Kubernetes client: pip install 'grokcore[pipelines]'") from None
    configuration = client.Configuration()
    configuration.retries = False  # whoever asks rides an outage out, and says so
    file = os.environ.get("KUBECONFIG")  # which the package reads when it is imported, and never again
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
            f"there is no Kubernetes to talk to ({why}): run in a pod with a service account, or name a kubeconfig in "
            f"KUBECONFIG"
        ) from None
    return client.ApiClient(configuration), namespace


@contextmanager
def answers(verb: str, resource: str, namespace: str) -> Iterator[None]:
    """Let what the API answers in the block be raised as what it means.

    Args:
        verb: the right that the request needs, as a Role names it.
        resource: what it is a right to, with its group: `trainjobs.trainer.kubeflow.org`.

    Raises:
        AbsentObjectError: there is no such object.
        ConflictError: it is there already, or has changed.
        InputError: the right is missing, or the request is wrong.
        TransientError: no answer came, or one that may be another the next time.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    asked = f"{verb} {resource} in namespace {namespace}"
    try:
        yield
    except ApiException as error:
        raise _meaning(error.status, _said(error.body) or str(error.reason), asked) from None
    except (HTTPError, OSError) as error:
        raise TransientError(f"Kubernetes cannot be reached to {asked}: {_cause(error)}") from None


def _meaning(status: int, said: str, asked: str) -> GrokcoreError:
    if status == 404:
        return AbsentObjectError(f"Kubernetes has not found what it should {asked}: {said}")
    if status == 409:
        return ConflictError(f"Kubernetes could not {asked}: {said}")
    if status == 403 and " cannot " in said:  # of the API server itself; admission says no with the same status
        return InputError(f"this service account may not {asked}: grant it, as manifests/components/trainjob does")
    if status in (400, 403, 405, 413, 415, 422):
        return InputError(f"Kubernetes refuses to {asked}: {said}")
    if status == 401:  # a token that is just being renewed, as a rule
        return TransientError(f"Kubernetes does not know who wants to {asked}: the token is missing, wrong or expired")
    return TransientError(f"Kubernetes could not {asked} (HTTP {status}): {said}")


def _said(body: Any) -> str:
    try:
        document = json.loads(body)
        return str(document["message"])
    except (TypeError, ValueError, KeyError):
        return ""


def _cause(error: BaseException) -> str:
    """The innermost reason: what urllib3 wraps around it says where a request went, at length."""
    while (inner := getattr(error, "reason", None)) is not None and isinstance(inner, BaseException):
        error = inner
    text = str(error).rpartition(": ")[2] or type(error).__name__
    return " ".join(text.split())


def found(call: Callable[[], T]) -> T | None:
    """What a request has found, or None where there is no such object."""
    try:
        return call()
    except AbsentObjectError:
        return None


_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


class Patience:
    """Rides out failures that may pass, with growing pauses, for `seconds` in a row.

    Args:
        notify: told when a call fails for the first time, and when one works again.
        check_stop: called between attempts; what it raises ends the wait.
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
        """What `call` returns, as soon as it does.

        Raises:
            TransientError: it has failed for too long.
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
        """Whether it is time for another attempt."""
        return time.monotonic() >= self._due

    def failed(self, error: TransientError) -> None:
        """
        Raises:
            TransientError: for too long.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._notify(f"{error}; trying again")
        elif now - self._since >= self._seconds:
            raise TransientError(f"{error} (for {now - self._since:.0f} s)") from None
        self._due, self._pause = now + self._pause, min(2 * self._pause, _LONGEST_PAUSE)

    def worked(self) -> None:
        if self._since is not None:
            self._notify("Kubernetes answers again")
        self._since, self._due, self._pause = None, 0.0, self._first_pause
