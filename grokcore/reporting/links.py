"""Links from a page to runs that lie in the same store, and to nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from urllib.parse import quote

from grokcore.errors import GrokcoreError
from grokcore.storage import CONCURRENT_READS, Store, local_path, open_stores

_MOST_UP = 4
"""Directories that a link climbs at most: a page of a sweep lies two or three below the store that its runs lie in."""


@dataclass(frozen=True)
class RunLinks:
    """Relative URLs of a run's directory and of its report; None where the page does not lie in the same store."""

    directory: str | None
    report: str | None


def links_of(uris: Sequence[str], page: str) -> list[RunLinks]:
    """The links from a page in the directory `page` to runs."""
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        return list(pool.map(partial(_links, page=page), uris, open_stores(uris)))


def _links(uri: str, run: Store, page: str) -> RunLinks:
    directory = relative_url(uri, page)
    if directory is None:
        return RunLinks(None, None)
    try:
        has_report = directory != "./" and run.find("report.html") is not None
        report = f"{directory}report.html" if has_report else None
    except GrokcoreError:  # a link less, where a store just does not answer
        report = None
    return RunLinks(directory, report)


def relative_url(uri: str, page: str) -> str | None:
    """Return the path of the directory `uri` relative to `page`, `../../runs/1/`; None outside the same store.

    A relative URL that begins with a dot holds neither a scheme nor a host, whatever names the directories have.
    """
    here, there = _parts(page), _parts(uri)
    if here[0] != there[0]:
        return None
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False)))
    up, down = len(here) - common, there[common:]
    if up > _MOST_UP or common < (1 if uri.startswith("s3://") else 2):
        return None
    return "/".join(["."] if not up else [".."] * up) + "".join(f"/{quote(part, safe='')}" for part in down) + "/"


def _parts(uri: str) -> list[str]:
    """Split a place into bucket or file system, and directories."""
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return [f"s3://{bucket}", *(part for part in key.split("/") if part)]
    return ["file://", *local_path(uri).absolute().resolve().parts[1:]]
