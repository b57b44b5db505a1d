"""Check certificates and tokens that settings name, and find the proxy to an endpoint, for every client of a service.

No content is quoted, since it may be a secret.
"""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from grokcore.errors import InputError

PRINTABLE = re.compile(r"[!-~]+")
"""Text that a header of a request can hold: no blanks, no line ends, nothing beyond ASCII."""


def proxy_variable(endpoint: str) -> str | None:
    """Return the variable that names the proxy to an endpoint, if there is one."""
    from urllib.request import proxy_bypass

    url = urlsplit(endpoint)
    if not url.hostname or proxy_bypass(url.netloc.rpartition("@")[2]):
        return None
    names = (f"{url.scheme}_proxy", f"{url.scheme}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), None)


def check_certificates(setting: str, file: Path) -> None:
    """Check that a file holds certificates of authorities.

    Args:
        setting: the option or variable that names the file, for messages.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    try:
        ssl.create_default_context(cafile=str(file))
    except ssl.SSLError:
        raise InputError(f"{setting} names {file}, which holds no certificates in PEM") from None
    except OSError as error:
        raise InputError(f"{setting} names {file}, which cannot be read: {error.strerror}") from None


def read_token(subject: str, file: Path) -> str:
    """Read a file that holds one token.

    Args:
        subject: of the message, such as "the token file F".

    Raises:
        InputError: the file is unreadable or does not hold exactly one token.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"{subject} cannot be read: {reason}") from None
    return checked_token(subject, text)


def checked_token(subject: str, text: str) -> str:
    """Return a token without the blanks around it.

    Raises:
        InputError: the text is not one token.
    """
    token = text.strip()
    if not PRINTABLE.fullmatch(token):
        raise InputError(f"{subject} must hold one token and nothing else")
    return token
