"""Wheels that a machine without network is brought: which are packed, and how they are installed there.

    PACK/*.whl        one version of each package
    PACK/pack.json    for which Python, and what was left out and why

Installing imports only the standard library.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NOTES = "pack.json"


class WheelsError(Exception):
    """The pack cannot be made or installed; one line."""


def install(pack: Path, site: Path) -> dict[str, str]:
    """Install all wheels of a pack into a folder, and return an environment in which they come before other packages.

    A folder rather than a virtual environment: one that is made from a virtual environment, as a lent machine's Python
    often is, sees the packages of the Python below it and not those of that environment. Packages that are there in
    other versions stay as they are; ours are found first.

    Raises:
        WheelsError: the pack is for another Python, or pip fails.
    """
    wheels = sorted(pack.glob("*.whl"))
    if not wheels:
        raise WheelsError(f"there is no wheel in {pack}: make a pack with ci/gpu --pack {pack}")
    python = _notes(pack).get("python")
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python not in (None, here):
        raise WheelsError(f"{pack} is for Python {python} and this is {here}: ci/gpu --pack {pack} --python {here}")
    installed, wanted = site / NOTES, json.dumps([wheel.name for wheel in wheels])
    if not installed.exists() or installed.read_text("utf-8") != wanted:
        _pip(
            "install", "--no-index", "--no-deps", "--no-compile", "--upgrade", "--target", str(site), *map(str, wheels)
        )
        installed.write_text(wanted, "utf-8")
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _notes(pack: Path) -> dict[str, Any]:
    try:
        notes: dict[str, Any] = json.loads((pack / NOTES).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return notes


def _pip(*arguments: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise WheelsError(f"{sys.executable} has no pip")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WheelsError(f"pip {arguments[0]} failed: {' '.join(done.stderr.split())[-400:]}")
