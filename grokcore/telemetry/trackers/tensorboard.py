"""TensorBoard: event files with scalars, the phases as text, and the fields of the spec for its tab HPARAMS.

Each process that trains a run writes a file of its own. It begins with a restart (a `purge_step`) at step 0 and the
journal so far, so that a reader shows nothing that the journal does not have: neither points beyond the checkpoint that
a run resumes from, nor gaps where an earlier process did not track.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from grokcore.runs.journal import JournalLine
from grokcore.telemetry.trackers.run import (
    TrackedRun,
    epoch_seconds,
    parameters,
    phase_steps,
    seconds_of,
    values,
    verdicts,
)

FOLDER = "tensorboard"
"""Of a run's event files, in its own directory."""
SUFFIX = ".grokcore"
"""Ends the names of event files that grokcore has written."""


class TensorboardTracker:
    """Writes the event files of one run into a directory, which is made when there is something to write.

    Args:
        directory: of this run alone.
        name: of the file; by default one that is later than those of earlier processes.
    """

    def __init__(self, directory: Path, name: str | None = None) -> None:
        from tensorboard.summary.writer import record_writer  # noqa: F401 - a missing package is noticed here

        self._directory, self._name = directory, name
        self._file: IO[bytes] | None = None
        self._written: list[JournalLine] = []
        self._ended = False

    def sync(self, run: TrackedRun) -> str:
        """Write what the files do not have of a run; return their directory.

        Raises:
            OSError: they cannot be written.
        """
        if self._file is None:
            self._open(run)
        common = _common(self._written, run.lines)
        if common < len(self._written):  # training has walked back
            self._restart(_next_step(run.lines[:common]), seconds_of(run.lines[-1], run) if run.lines else None)
            del self._written[common:]
        for index in range(common, len(run.lines)):
            self._write_line(run, index)
            self._written.append(run.lines[index])
        if run.status != "running" and not self._ended:
            self._ended = True
            self._write_end(run)
        self._flush()
        return str(self._directory)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, run: TrackedRun) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._directory.mkdir(parents=True, exist_ok=True)
        name = self._name or f"events.out.tfevents.{time.time():017.6f}{SUFFIX}"
        self._file = (self._directory / name).open("wb")
        begun = epoch_seconds(run.manifest.started)
        self._write(Event(wall_time=begun, file_version="brain.Event:2"))
        self._restart(0, begun)
        self._write_hyperparameters(run, begun)

    def _restart(self, step: int, seconds: float | None) -> None:
        """Tell readers to forget all points from a step on."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        wall_time = time.time() if seconds is None else seconds
        self._write(Event(wall_time=wall_time, step=step, session_log=SessionLog(status=SessionLog.START)))

    def _write_line(self, run: TrackedRun, index: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        line = run.lines[index]
        seconds, step = seconds_of(line, run), int(line["step"])
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values(line).items()]
        self._write(Event(wall_time=seconds, step=step, summary=Summary(value=scalars)))
        before = phase_steps(run.lines[index - 1]) if index else {}
        news = {name: at for name, at in phase_steps(line).items() if before.get(name) != at}
        if news:
            self._write(Event(wall_time=seconds, step=step, summary=_text("phases", _phases_text(news))))

    def _write_hyperparameters(self, run: TrackedRun, seconds: float) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams import metadata, plugin_data_pb2

        start = plugin_data_pb2.SessionStartInfo(group_name=run.manifest.run_id, start_time_secs=seconds)
        for name, value in parameters(run).items():
            if isinstance(value, bool):
                start.hparams[name].bool_value = value
            elif isinstance(value, str):
                start.hparams[name].string_value = value
            else:
                start.hparams[name].number_value = value
        data = plugin_data_pb2.HParamsPluginData(session_start_info=start)
        summary = _marker(metadata.SESSION_START_INFO_TAG, metadata.create_summary_metadata(data))
        self._write(Event(wall_time=seconds, summary=summary))

    def _write_end(self, run: TrackedRun) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

        last = run.lines[-1] if run.lines else None
        seconds = seconds_of(last, run) if last is not None else epoch_seconds(run.manifest.started)
        step = int(last["step"]) if last is not None else 0
        end = plugin_data_pb2.SessionEndInfo(
            status=api_pb2.STATUS_SUCCESS if run.status == "finished" else api_pb2.STATUS_FAILURE,
            end_time_secs=seconds,
        )
        data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
        summary = _marker(metadata.SESSION_END_INFO_TAG, metadata.create_summary_metadata(data))
        self._write(Event(wall_time=seconds, step=step, summary=summary))
        outcome = {"status": run.status, "exit_reason": run.manifest.exit_reason or "-", **verdicts(run)}
        text = "\n".join(f"- {name}: {value}" for name, value in outcome.items())
        self._write(Event(wall_time=seconds, step=step, summary=_text("outcome", text)))

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        RecordWriter(self._file).write(event.SerializeToString(deterministic=True))

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()


def _common(written: Sequence[JournalLine], lines: Sequence[JournalLine]) -> int:
    """Number of first lines that are the same."""
    pairs = zip(written, lines, strict=False)
    return next((index for index, (ours, theirs) in enumerate(pairs) if ours != theirs), min(len(written), len(lines)))


def _next_step(lines: Sequence[JournalLine]) -> int:
    """The first step of which these lines have nothing."""
    return int(lines[-1]["step"]) + 1 if lines else 0


def _phases_text(begun: Mapping[str, int]) -> str:
    return "\n".join(f"- {name.replace('_step', '').replace('/', ' of ')} at step {at}" for name, at in begun.items())


def _text(tag: str, text: str) -> Any:
    """A summary that the tab TEXT shows as Markdown."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])


def _marker(tag: str, metadata: Any) -> Any:
    """A summary that has nothing but its metadata."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.metadata import NULL_TENSOR

    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=NULL_TENSOR)])
