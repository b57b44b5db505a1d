"""A run as Kubeflow sees it: artifacts between tasks, scalar metrics, and the first line of the training log."""

from __future__ import annotations

import math
import os
import shlex
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from grokcore.errors import InputError, printable
from grokcore.storage.local import clear_errors, new_directory, read_bytes
from grokcore.storage.uri import open_store

RUN_FILES = ("spec.yaml", "manifest.json", "metrics.jsonl")
"""The files of a run's artifact: few and small, since each is uploaded on its own."""


def collect_run(place: str, run: str, model: str) -> Path:
    """Copy what becomes an artifact out of the run at `place`: its record to `run`, its model to `model`.

    Where the run has no place but the artifact itself, everything else leaves it, checkpoints above all.

    Returns:
        The directory `run`.
    """
    store, target = open_store(place), Path(run)
    with new_directory(Path(model)) as copy:
        store.download_directory("model", copy)
    if store.directory is not None and store.directory.resolve() == target.resolve():
        _keep(target, RUN_FILES)
    else:
        with new_directory(target) as copy:
            for name in RUN_FILES:
                store.download(name, copy / name)
    return target


def _keep(directory: Path, names: Collection[str]) -> None:
    """Remove everything but `names` from a directory."""
    with clear_errors("empty", directory):
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in names:
                path.unlink()


def join_run(run_uri: str | None, file: str, name: str) -> None:
    """Copy an artifact's file into the run's place as `name`, if that can be reached from here.

    A run that cannot be reached keeps its evaluation and report as artifacts only, so this prints and goes on.

    Raises:
        TransientError: the store is there, but did not answer: another attempt may work.
    """
    try:
        store = open_store(run_uri or "")
        if store.find("manifest.json") is not None:
            store.write(name, read_bytes(Path(file)))
            return
    except InputError as error:
        print(f"{name} stays an artifact: {error}")
        return
    print(f"{name} stays an artifact: the run at {printable(str(run_uri))} cannot be reached from here")


def copy_files(source: Path, target: Path, names: Collection[str]) -> None:
    """Copy single files of a directory into another one, which is made."""
    store = open_store(target)
    for name in names:
        store.upload(source / name, name)


def join_sweep(sweep_uri: str, directory: str) -> None:
    """Copy the files of a comparison into the sweep's place, if that can be reached from here.

    Raises:
        TransientError: the store is there, but did not answer: another attempt may work.
    """
    try:
        store = open_store(sweep_uri)
        for path in sorted(Path(directory).iterdir()):
            store.upload(path, path.name)
    except InputError as error:
        print(f"the comparison stays an artifact: {error}")


def run_scalars(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Accuracies and phases of one line of the journal, usually the last.

    A phase that was not reached has no key, and neither has a value that is not finite: Kubeflow fails a finished task
    over a NaN. `nonfinite` counts the accuracies and losses that were left out.
    """
    accuracies = {name: values.get("accuracy") for name, values in evaluation.get("splits", {}).items()}
    losses = {name: values.get("loss") for name, values in evaluation.get("splits", {}).items()}
    train = evaluation.get("train", {})
    measured = {
        "train_accuracy": train.get("accuracy"),
        "train_loss": train.get("loss"),
        **{f"{name}_accuracy": value for name, value in accuracies.items()},
        **{f"{name}_loss": value for name, value in losses.items()},
    }
    phases = evaluation.get("phases", {})
    steps = {"step": evaluation.get("step"), "memorized_step": phases.get("memorized")}
    for split, reached in phases.items():
        if isinstance(reached, Mapping):
            steps.update({f"{split}_{phase}_step": step for phase, step in reached.items()})
    return {
        **finite_only(steps),
        **finite_only(measured),
        "nonfinite": sum(not _is_number(value) for value in measured.values()),
    }


def evaluation_scalars(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Accuracies, majority baselines and times to grok, in steps, of an `evaluation.json`."""
    measured: dict[str, Any] = {"train_accuracy": evaluation["train"].get("accuracy")}
    for split, values in evaluation["splits"].items():
        measured[f"{split}_accuracy"] = values.get("accuracy")
        measured[f"{split}_majority_baseline"] = values.get("majority_baseline")
    times: dict[str, Any] = {"step": evaluation.get("step")}
    judged = {"memorized": evaluation.get("memorized"), **evaluation.get("held_out", {})}
    for split, facts in judged.items():
        for definition in ("first_crossing", "sustained", "stable"):
            time = (facts or {}).get(definition)
            times[f"{split}_{definition}_steps"] = time["steps"] if time else None
        times[f"{split}_ratio"] = (facts or {}).get("ratio")
    return {
        **finite_only(measured),
        **finite_only(times),
        "nonfinite": sum(not _is_number(value) for value in measured.values()),
    }


def finite_only(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


DASHBOARD_VARIABLE = "GROKCORE_DASHBOARD"
"""Address of the dashboard of single runs, as `https://grafana.example/d/grokcore-run`."""


def log_header(run_uri: str, run_id: str) -> str:
    """Format one line with a run's place, the command that follows it, and its dashboard if the environment names one.

    A dashboard's address that is not an http(s) URL is left out rather than failing the training.
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
