"""Check the variables that botocore reads before it reads them: its own errors name none of them, or come too late.

No value is quoted, since it may be a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from grokcore.errors import InputError
from grokcore.network import PRINTABLE, check_certificates, read_token

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_TOKEN_FILES = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": "AWS_ROLE_ARN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
}
"""Variable that names a file with a token, and the variable without which it is not read."""
_REGIONS = ("AWS_DEFAULT_REGION", "AWS_REGION")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CA_FILES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY")

_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Check the variables of credentials, region, endpoint, certificates and proxies that are set.

    Raises:
        InputError: a value that no request can be made with; the message names the variable.
    """
    for name in _CREDENTIALS:
        if environment.get(name) and not PRINTABLE.fullmatch(environment[name]):
            raise InputError(
                f"{name} holds a line end, a blank or another character that no key has: set it without (a Secret made "
                "by echo ends with a line end, by printf it does not)"
            )
    for name in _REGIONS:
        if environment.get(name) and not _REGION.fullmatch(environment[name]):
            raise InputError(f"{name} is not the name of a region: it has letters, digits and hyphens, as us-east-1")
    for name in _ENDPOINTS:
        _check_url(name, environment.get(name), "https://HOST:PORT")
    for name in _PROXIES:
        for spelling in (name, name.lower()):
            _check_url(spelling, environment.get(spelling), "http://HOST:PORT")
    for name in _CA_FILES:
        if environment.get(name) and not _is_plain(environment):
            check_certificates(name, Path(environment[name]))
    has_keys = environment.get("AWS_ACCESS_KEY_ID")
    for name, other in _TOKEN_FILES.items():
        if environment.get(name) and environment.get(other) and not has_keys:
            read_token(f"{name} names {environment[name]}, which", Path(environment[name]))


def credentials_variable() -> str:
    """The variable, or variables, that credentials come from, for messages."""
    for names in (("AWS_ACCESS_KEY_ID",), ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"), ("AWS_PROFILE",)):
        if all(os.environ.get(name) for name in names):
            return " and ".join(names)
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        if os.environ.get(name):
            return name
    return "~/.aws or the machine's role"


def _is_plain(environment: Mapping[str, str]) -> bool:
    """Whether the endpoint is reached without TLS, so that certificates do not matter."""
    endpoint = next((environment[name] for name in _ENDPOINTS if environment.get(name)), "")
    return endpoint.startswith("http://")


def _check_url(name: str, text: str | None, form: str) -> None:
    if not text:
        return
    try:
        url = urlsplit(text if "://" in text or name in _ENDPOINTS else f"http://{text}")
        valid = bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid or not PRINTABLE.fullmatch(text):
        raise InputError(f"{name} is not a URL; write it as {form}")
