"""Where the API of Kubeflow Pipelines is, and who asks it: from flags and the environment, and from nowhere else.

Neither ~/.config/kfp nor a browser is asked, so that a command does on a laptop what it does in CI. A token is read
from a file or the environment, never from a flag, which every user of a machine can see; it is read anew for each
request, since short-lived tokens are replaced while a run is waited for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from grokcore.errors import InputError

TOKEN_VARIABLE = "GROKCORE_KFP_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105
HOST_VARIABLE = "KF_PIPELINES_ENDPOINT"
UI_VARIABLE = "KF_PIPELINES_UI_ENDPOINT"
NAMESPACE_VARIABLE = "GROKCORE_KFP_NAMESPACE"
EXPERIMENT_VARIABLE = "KF_PIPELINES_DEFAULT_EXPERIMENT_NAME"
CA_VARIABLE = "GROKCORE_KFP_CA"

DEFAULT_EXPERIMENT = "grokcore"

_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_CLUSTER_HOST = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_PROJECTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where Kubeflow has Kubernetes put a token for its API into a pod that asks for one."""


@dataclass(frozen=True)
class Token:
    """A bearer token, which is read when it is needed; its text stands in no repr and no message.

    Attributes:
        file: where it is read from, or None where it is a variable of the environment.
    """

    file: Path | None

    @property
    def can_change(self) -> bool:
        """Whether somebody may replace it while this process runs."""
        return self.file is not None

    def read(self) -> str:
        """
        Raises:
            InputError: the file cannot be read or has no token.
        """
        if self.file is None:
            return os.environ[TOKEN_VARIABLE].strip()
        try:
            text = self.file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InputError(f"the token file {self.file} cannot be read: {reason}") from None
        if not text or len(text.split()) != 1:
            raise InputError(f"the token file {self.file} must hold one token and nothing else")
        return text

    def __str__(self) -> str:
        return f"the token in {self.file or TOKEN_VARIABLE}"


@dataclass(frozen=True)
class Connection:
    """One API, and how it is asked.

    Attributes:
        host: base URL, without a slash at its end.
        ui: base URL of the pages for people.
        namespace: the user's, on a multi-user installation; None on others.
        ca: certificates to trust instead of the usual ones.
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
    """What flags say, then the environment, then the pod that this may be.

    Raises:
        InputError: there is no host, or what is named is not there.
    """
    named = host or os.environ.get(HOST_VARIABLE)
    if not named and _IN_CLUSTER.is_dir():
        named = _IN_CLUSTER_HOST
    if not named:
        raise InputError(f"which Kubeflow? Give its URL with --host, or set {HOST_VARIABLE}")
    certificates = ca or os.environ.get(CA_VARIABLE) or os.environ.get("SSL_CERT_FILE")
    if certificates and not Path(certificates).is_file():
        raise InputError(f"there is no file of certificates {certificates}")
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
    """A URL as the base of others; https where it names no scheme, as Kubeflow's own client has it."""
    try:
        url = urlsplit(host if "://" in host else f"https://{host}")
        _ = url.port  # a ValueError where it is no number
    except ValueError:
        raise InputError("the URL of Kubeflow is none: it should read https://kubeflow.example.org/pipeline") from None
    if url.username or url.password:
        raise InputError("the URL of Kubeflow must not hold a user or password: put a token into a file, --token-file")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise InputError(f"{host} is no URL of Kubeflow: it should read https://kubeflow.example.org/pipeline")
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
    token.read()  # what is wrong with it is said before anything is asked
    return token
