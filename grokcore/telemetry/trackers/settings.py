"""Which trackers a run reports to: an argument, or `GROKCORE_TRACK`; never a part of a spec."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Sequence
from typing import Literal, get_args

from grokcore.errors import InputError

Name = Literal["mlflow", "tensorboard"]
NAMES: tuple[Name, ...] = get_args(Name)

TRACK_VARIABLE = "GROKCORE_TRACK"
"""Names of trackers, separated by commas."""
DIRECTORY_VARIABLE = "GROKCORE_TENSORBOARD_DIR"
"""Directory that gets a folder of event files per run; without it they lie in the run's own directory."""
MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"


def trackers_of(track: Sequence[str] | None = None) -> tuple[Name, ...]:
    """Return the trackers to report to, each once, after checking that they can be used here.

    Args:
        track: their names; None takes those of `GROKCORE_TRACK`.

    Raises:
        InputError: a name is unknown, the tracker's package is not installed, or MLFLOW_TRACKING_URI is not set.
    """
    origin = "track" if track is not None else TRACK_VARIABLE
    if isinstance(track, str):
        raise InputError(f"track={track!r} must be a list of names: track=[{track!r}]")
    given = os.environ.get(TRACK_VARIABLE, "").split(",") if track is None else track
    names = [checked_name(name.strip(), origin) for name in given if name.strip()]
    for name in names:
        check_usable(name)
    return tuple(dict.fromkeys(names))


def checked_name(name: str, origin: str) -> Name:
    """
    Raises:
        InputError: there is no such tracker.
    """
    for known in NAMES:
        if name == known:
            return known
    close = difflib.get_close_matches(name, NAMES, n=1)
    hint = f", did you mean {close[0]}?" if close else ""
    raise InputError(f"{origin}: there is no tracker {name!r}{hint} Known are {' and '.join(NAMES)}")


def check_usable(name: Name) -> None:
    """
    Raises:
        InputError: the tracker's package is not installed, or MLflow's server is not named.
    """
    if importlib.util.find_spec(name) is None:
        raise InputError(f"tracking with {name} needs {name}: pip install 'grokcore[{name}]'")
    if name == "mlflow" and not os.environ.get(MLFLOW_VARIABLE, "").strip():
        raise InputError(
            f"tracking with mlflow needs {MLFLOW_VARIABLE}, the address of its server, such as http://127.0.0.1:5000"
        )
