"""URL and credentials of the Kubeflow Pipelines API, from options, the environment and the pod.

~/.config/kfp and browser logins are not used, so that a command works the same on a laptop and in CI. A token comes
from a file or the environment, never from an option, which other users of the machine could see. It is reread for each
request, since short-lived tokens are replaced during a long wait.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from grokcore.errors import InputError
from grokcore.network import check_certificates, checked_token, read_token

TOKEN_VARIABLE = "GROKCORE_KFP_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105
HOST_VARIABLE = "KF_PIPELINES_ENDPOINT"
UI_VARIABLE = "KF_PIPELINES_UI_ENDPOINT"
NAMESPACE_VARIABLE = "GROKCORE_KFP_NAMESPACE"
EXPERIMENT_VARIABLE = "KF_PIPELINES_DEFAULT_EXPERIMENT_NAME"
CA_VARIABLE = "GROKCORE_KFP_CA"

DEFAULT_EXPERIMENT = "grokcore"

TIME_ZONE = "UTC unless CRON_SCHEDULE_TIMEZONE of Kubeflow's scheduler names another zone"
"""Time zone of cron expressions, which the API does not tell."""

_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_PROJECTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Path of the token that Kubernetes mounts into a pod for Kubeflow's API, on request."""


@dataclass(frozen=True)
class Token:
    """A bearer token that is read when needed and never appears in a repr or message.

    Attributes:
        file: its file, or None for the environment variable.
    """

    file: Path | None

    @property
    def can_change(self) -> bool:
        """Whether it may be replaced while this process runs."""
        return self.file is not None

    def read(self) -> str:
        """Read the token.

        Raises:
            InputError: the file is unreadable or does not hold exactly one token.
        """
        if self.file is None:
            return checked_token(TOKEN_VARIABLE, os.environ[TOKEN_VARIABLE])
        return read_token(f"the token file {self.file}", self.file)

    def __str__(self) -> str:
        return f"the token in {self.file or TOKEN_VARIABLE}"


@dataclass(frozen=True)
class Connection:
    """An API server and how to access it.

    Attributes:
        host: base URL, without a slash at its end.
        ui: base URL of the web UI.
        namespace: of the user, on a multi-user installation; else None.
        ca: CA certificates that replace the default ones.
    """

    host: str
    ui: str
    token: Token | None
    namespace: str | None
    experiment: str
    ca: Path | None

    def run_page(self, run_id: str) -> str:
        return f"{self.ui}/#/runs/details/{run_id}"

    def pipeline_page(self, pipeline_id: str, version_id: str) -> str:
        return f"{self.ui}/#/pipelines/details/{pipeline_id}/version/{version_id}"

    def schedule_page(self, schedule_id: str) -> str:
        return f"{self.ui}/#/recurringrun/details/{schedule_id}"


def connection(
    *,
    host: str | None = None,
    token_file: str | None = None,
    namespace: str | None = None,
    experiment: str | None = None,
    ca: str | None = None,
) -> Connection:
    """Resolve the connection from options, then the environment, then the pod.

    Raises:
        InputError: no host is given, or a named file is missing.
    """
    named = host or os.environ.get(HOST_VARIABLE)
    if not named and _IN_CLUSTER.is_dir():
        named = _IN_CLUSTER_HOST
    if not named:
        raise InputError(f"no Kubeflow given: pass its URL with --host, or set {HOST_VARIABLE}")
    named_by = {"--ca": ca, **{name: os.environ.get(name) for name in (CA_VARIABLE, "SSL_CERT_FILE")}}
    setting, certificates = next(((name, file) for name, file in named_by.items() if file), ("", None))
    if certificates:
        check_certificates(setting, Path(certificates))
    base = _base(named)
    return Connection(
        host=base,
        ui=_base(os.environ.get(UI_VARIABLE) or base),
        token=_token(token_file),
        namespace=namespace or os.environ.get(NAMESPACE_VARIABLE) or None,
        experiment=experiment or os.environ.get(EXPERIMENT_VARIABLE) or DEFAULT_EXPERIMENT,
        ca=Path(certificates) if certificates else None,
    )


def _base(host: str) -> str:
    """Normalize a base URL; the default scheme is https, as in Kubeflow's own client."""
    try:
        url = urlsplit(host if "://" in host else f"https://{host}")
        _ = url.port  # ValueError unless it is a number
    except ValueError:
        raise InputError("invalid URL of Kubeflow: it should read https://kubeflow.example.org/pipeline") from None
    if url.username or url.password:
        raise InputError("the URL of Kubeflow must not hold a user or password: put a token into a file, --token-file")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise InputError(f"{host} is not a URL of Kubeflow: it should read https://kubeflow.example.org/pipeline")
    return url._replace(fragment="", query="").geturl().rstrip("/")


def _token(file: str | None) -> Token | None:
    if file:
        token = Token(Path(file))
    elif os.environ.get(TOKEN_VARIABLE, "").strip():
        token = Token(None)
    elif os.environ.get(TOKEN_FILE_VARIABLE):
        token = Token(Path(os.environ[TOKEN_FILE_VARIABLE]))
    elif _PROJECTED_TOKEN.is_file():
        token = Token(_PROJECTED_TOKEN)
    else:
        return None
    token.read()  # report a bad token before the first request
    return token
