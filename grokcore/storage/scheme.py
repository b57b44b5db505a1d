"""Refuse malformed URIs, which would otherwise name a local directory such as `./s3:/bucket`."""

from __future__ import annotations

import re
from pathlib import Path

from grokcore.errors import InputError

_OTHERS = "gs gcs az abfs abfss adl wasb wasbs hdfs oss minio swift http https ftp ftps sftp ssh memory"
_MEANT = {"s3": "s3", "s3a": "s3", "s3n": "s3", "file": "file", **dict.fromkeys(_OTHERS.split(), "")}
"""Intended scheme by its lower-case spelling: s3 or file, or "" for an unsupported one."""

_SCHEME = re.compile(r"\s*(?P<name>[A-Za-z][A-Za-z0-9+.-]*)\s*(?P<mark>[:;]\s*/*\\*|:?//+)(?P<rest>.*)", re.DOTALL)
_PROPER = re.compile(r"(s3|file)://")


def check_scheme(uri: str | Path) -> None:
    """Refuse text that looks like a URI but is neither a path nor an `s3://` or `file://` URI.

    For example `Path("s3://bucket/x")`, which Python turns into `s3:/bucket/x`. A directory of such a name can be
    written as `./s3:/x`.

    Raises:
        InputError: with the intended URI.
    """
    text = str(uri)
    found = None if _PROPER.match(text) else _SCHEME.match(text)
    if found is None:
        return
    name, rest = found["name"].lower(), found["rest"]
    kind = _MEANT.get(name, "")
    if (name not in _MEANT and "://" not in found["mark"]) or (not kind and found["mark"].startswith("/")):
        return
    shown = text if "@" not in text else f"{found['name']}{found['mark']}..."  # the part before an @ may be a password
    if kind == "":
        raise InputError(f"{shown}: {name}:// is not supported; use a path, file:///... or s3://...")
    meant = f"s3://{rest.lstrip('/')}" if kind == "s3" else f"file:///{rest.lstrip('/')}"
    raise InputError(f"{shown} is not a valid URI: did you mean {meant if shown == text else f'{kind}://...'}?")
