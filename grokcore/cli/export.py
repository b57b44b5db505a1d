"""`grokcore runs export`: show runs that are over in MLflow or TensorBoard."""

from __future__ import annotations

import argparse
import os
import shlex

from grokcore.errors import InputError
from grokcore.runs.record import runs_at
from grokcore.telemetry.trackers.export import export_run
from grokcore.telemetry.trackers.settings import DIRECTORY_VARIABLE, check_usable, checked_name
from grokcore.terminal.output import print_line


def export(options: argparse.Namespace) -> None:
    """Export all runs to each tracker."""
    names = list(dict.fromkeys(checked_name(name, "--to") for name in options.to))
    if options.out is not None and "tensorboard" not in names:
        raise InputError("--out is for tensorboard: MLflow's runs go to the server that MLFLOW_TRACKING_URI names")
    for name in names:
        check_usable(name)
    directory = options.out or os.environ.get(DIRECTORY_VARIABLE) or "tensorboard"
    runs = list(dict.fromkeys(uri for place in options.runs for uri in runs_at(place)))
    for name in names:
        for uri in runs:
            print_line(f"{uri}  {name}  {export_run(uri, name, directory)}")
    if "tensorboard" in names:
        print_line(f"next: tensorboard --logdir {shlex.quote(str(directory))}")
