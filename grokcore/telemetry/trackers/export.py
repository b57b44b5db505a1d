"""Show runs that are over in a tracker, from their files alone. Doing so again adds nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grokcore.errors import AbsentError, GrokcoreError, InputError, TransientError
from grokcore.runs.evaluation import EVALUATION
from grokcore.runs.journal import JOURNAL
from grokcore.runs.lock import is_being_written
from grokcore.runs.manifest import MANIFEST
from grokcore.runs.record import RunRecord, read_trained
from grokcore.runs.seal import SPEC
from grokcore.storage import open_store
from grokcore.telemetry.sinks import FAILURES
from grokcore.telemetry.trackers.run import Status, TrackedRun, Tracker
from grokcore.telemetry.trackers.settings import Name, check_usable
from grokcore.telemetry.trackers.tracking import describe

REPORT = "report.html"
FILES = (SPEC, MANIFEST, JOURNAL, EVALUATION, REPORT)
"""Files of a run that a tracker keeps beside it, where they are."""


def export_run(
    uri: str, name: Name, directory: str | Path | None = None, *, files: Mapping[str, bytes] | None = None
) -> str:
    """Show a run in a tracker as if it had been tracked while it trained.

    Args:
        uri: the run's place.
        directory: for tensorboard: gets a folder for the run.
        files: contents to keep beside the run, instead of its own files.

    Returns:
        Where it is shown: the id of MLflow's run, or the directory of the event files.

    Raises:
        InputError: the run cannot be read, or the tracker not be used here.
        TransientError: the tracker failed.
    """
    check_usable(name)
    record = read_trained(uri)
    store = open_store(uri)
    run = TrackedRun(
        store.uri, record.spec, record.manifest, tuple(record.journal), _status(record), files or dict(_files(uri))
    )
    try:
        if name == "tensorboard":
            return _write_events(run, directory)
        return _tracker().sync(run)
    except GrokcoreError:
        raise
    except Exception as error:  # of any kind: the libraries of trackers raise their own
        raise TransientError(f"{name} does not take the run at {uri}: {describe(error)}") from error


def attach_report(uris: Sequence[str], page: bytes, names: Sequence[Name]) -> Iterator[str]:
    """Keep a report beside its runs in the trackers that keep files; yield a line for each that fails."""
    for uri in uris if "mlflow" in names else ():
        try:
            export_run(uri, "mlflow", files={REPORT: page})
        except GrokcoreError as error:
            FAILURES.count("mlflow")
            yield f"the report is not beside the run at {uri} in mlflow: {error}"


def _tracker() -> Tracker:
    from grokcore.telemetry.trackers.mlflow import MlflowTracker

    return MlflowTracker()


def _write_events(run: TrackedRun, directory: str | Path | None) -> str:
    """Write one event file, whose name and content depend on the run alone, in place of earlier ones of ours."""
    from grokcore.telemetry.trackers.tensorboard import SUFFIX, TensorboardTracker

    if directory is None:
        raise InputError("tensorboard needs a directory for its event files")
    folder = Path(directory) / run.folder
    name = f"events.out.tfevents.0000000000.export{SUFFIX}"
    tracker = TensorboardTracker(folder, f"{name}.new")
    tracker.sync(run)
    tracker.close()
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink()
    (folder / f"{name}.new").rename(folder / name)
    return str(folder)


def _status(record: RunRecord) -> Status:
    reason = record.manifest.exit_reason
    if reason is None:
        return "running" if is_being_written(open_store(record.uri)) else "failed"
    return "killed" if reason == "stopped" else "finished"


def _files(uri: str) -> Iterator[tuple[str, bytes]]:
    store = open_store(uri)
    for name in FILES:
        try:
            yield name, store.read(name)
        except AbsentError:
            continue
