"""Where a run can be seen: the first line of a training's log, since most people find a run by its log."""

from __future__ import annotations

import os
import shlex
from urllib.parse import quote, urlsplit

DASHBOARD_VARIABLE = "GROKCORE_DASHBOARD"
"""Address of the dashboard of single runs, as `https://grafana.example/d/grokcore-run`."""


def signpost(run_uri: str, run_id: str) -> str:
    """One line that names a run's place, the command that follows it, and its dashboard if the environment has one.

    A dashboard's address that is no http(s) URL is left out: what cannot be opened is not worth a failed training.
    """
    line = f"run {run_uri}, to be followed with: grokcore watch {shlex.quote(run_uri)}"
    address = os.environ.get(DASHBOARD_VARIABLE, "").strip()
    if _is_url(address):
        line += f", dashboard: {address}{'&' if '?' in address else '?'}var-run={quote(run_id)}"
    return line


def _is_url(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https")
    except ValueError:  # a bracket of a host that is left open
        return False
