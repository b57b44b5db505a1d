"""What almost is a URI: without this check it would name a directory such as `./s3:/bucket`."""

from __future__ import annotations

import re
from pathlib import Path

from grokcore.errors import InputError

_OTHERS = "gs gcs az abfs abfss adl wasb wasbs hdfs oss minio swift http https ftp ftps sftp ssh memory"
_MEANT = {"s3": "s3", "s3a": "s3", "s3n": "s3", "file": "file", **dict.fromkeys(_OTHERS.split(), "")}
"""What is meant by a scheme, in lower case: one of ours, or "" for one that is not supported."""

_SCHEME = re.compile(r"\s*(?P<name>[A-Za-z][A-Za-z0-9+.-]*)\s*(?P<mark>[:;]\s*/*\\*|:?//+)(?P<rest>.*)", re.DOTALL)
_PROPER = re.compile(r"(s3|file)://")


def check_scheme(uri: str | Path) -> None:
    """Refuse what is neither a path nor an `s3://` or `file://` URI but looks like a URI.

    `Path("s3://bucket/x")` is such a thing: Python makes `s3:/bucket/x` of it. A directory of such a name is written
    with its place before it, as in `./s3:/x`.

    Raises:
        InputError: in one line, with what was meant.
    """
    text = str(uri)
    found = None if _PROPER.match(text) else _SCHEME.match(text)
    if found is None:
        return
    name, rest = found["name"].lower(), found["rest"]
    kind = _MEANT.get(name, "")
    if (name not in _MEANT and "://" not in found["mark"]) or (not kind and found["mark"].startswith("/")):
        return
    shown = text if "@" not in text else f"{found['name']}{found['mark']}..."  # what is before an @ may be a password
    if kind == "":
        raise InputError(f"{shown}: {name}:// is not supported; use a path, file:///... or s3://...")
    meant = f"s3://{rest.lstrip('/')}" if kind == "s3" else f"file:///{rest.lstrip('/')}"
    raise InputError(f"{shown} names no place: did you mean {meant if shown == text else f'{kind}://...'}?")
