"""One attempt at a run by this process: from an empty place or a checkpoint to the files that a run ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import yaml
from torch import Tensor

from grokcore.data import Dataset, open_dataset
from grokcore.errors import GrokcoreError, StoppedError
from grokcore.evaluation.card import Example, example_of, write_model_card
from grokcore.models import execution_choices
from grokcore.models.tokenizer import save_tokenizer
from grokcore.runs import JOURNAL, MANIFEST, Manifest
from grokcore.runs.lock import sole_writer
from grokcore.runs.manifest import ExitReason
from grokcore.runs.resume import Resume, TrainResult, check_place
from grokcore.runs.seal import MODEL, SPEC, FileDigest, digest_of, file_digest
from grokcore.runs.summary import write_summary
from grokcore.spec import ExperimentSpec
from grokcore.storage import Store, new_directory, open_store
from grokcore.telemetry.notifications import Notifications
from grokcore.telemetry.trackers.settings import trackers_of
from grokcore.telemetry.trackers.tracking import Trackings, check_places
from grokcore.telemetry.trainjob import TrainJobProgress
from grokcore.telemetry.webhook import webhook_url
from grokcore.training.distributed.group import ALONE, Command, Group
from grokcore.training.loop import has_ended
from grokcore.training.metrics_server import show_run, write_final_metrics
from grokcore.training.provenance import manifest_of, utc_now
from grokcore.training.recorder import Recorder, last_checkpoint
from grokcore.training.resuming import break_seal, compare_attempts, remove_leftovers, spec_of_resumed
from grokcore.training.run_metrics import RunMetrics
from grokcore.training.signals import StopRequest
from grokcore.training.source import drawn_model, load_start, read_source
from grokcore.training.trainer import Trainer


@dataclass
class Attempt:
    """A run that this process has started or resumed, as its only writer.

    Attributes:
        store: the run's place.
        trainer: at the step where training continues.
        recorder: with the journal up to there.
        spec: the content of spec.yaml.
        example: a question and its answer, for the card of the model.
        notifications, progress: None unless the environment asks for them.
        trackings: of the trackers that the run reports to, none of them as a rule.
    """

    store: Store
    trainer: Trainer
    recorder: Recorder
    metrics: RunMetrics
    manifest: Manifest
    spec: bytes
    example: Example
    notify: Callable[[str], None]
    notifications: Notifications | None
    progress: TrainJobProgress | None
    trackings: Trackings

    def record_graphs(self, _line: Mapping[str, Any] | None = None) -> None:
        """Note in the manifest that a step could not be recorded as a CUDA graph, once that is known."""
        graphs = self.trainer.graphs
        if graphs is not None and graphs.status not in (None, self.manifest.execution.get("cuda_graph")):
            self.manifest.set_execution("cuda_graph", str(graphs.status))
            self.manifest.write(self.store)

    def end(self, reason: ExitReason, *, callback: str | None = None) -> TrainResult:
        """Write the model, the final metrics, the sealed manifest and its summary.

        Args:
            callback: why a callback ended training, if one did.

        Raises:
            StoppedError: the reason is a signal.
        """
        step = self.trainer.state.step
        files = {SPEC: digest_of(self.spec), JOURNAL: digest_of(self.recorder.journal)}
        if reason != "stopped":
            files |= self._write_model(reason)
            self.metrics.ended = True
        write_final_metrics(self.store, self.metrics.samples(), self.notify)
        self.record_graphs()
        self.manifest.exit_reason, self.manifest.finished = reason, utc_now()
        self.manifest.callback = callback if reason == "callback" else None
        cpu = self.trainer.clock.cpu
        self.manifest.cpu_seconds = None if cpu is None else round(cpu, 3)
        size = self.manifest.write(self.store, seal=files)
        write_summary(self.store, self.manifest, step, {MANIFEST: size, JOURNAL: files[JOURNAL].bytes})
        self._report_end(reason)
        if reason == "stopped":
            raise StoppedError(f"stopped at step {step}; the same command goes on from there")
        if self.notifications is not None:
            self.notifications.end(reason, self.recorder.lines[-1])
        return TrainResult(self.store.uri, reason, step)

    def _report_end(self, reason: ExitReason) -> None:
        if self.progress is not None:
            self.progress.end(reason)
        if self.trackings:
            kept = {SPEC: self.spec, JOURNAL: self.recorder.journal}
            with suppress(GrokcoreError):  # a store that answers no more is no reason to fail for trackers
                kept[MANIFEST] = self.store.read(MANIFEST)
            self.trackings.end(reason, self.manifest, kept)

    def _write_model(self, reason: ExitReason) -> dict[str, FileDigest]:
        """Write the model, and return the digests of its files by their keys."""
        self.trainer.state.full.consolidate()
        if self.store.directory is not None:  # where all of it can appear at once
            with new_directory(self.store.directory / MODEL, replace=True) as folder:
                return self._save_model(folder, reason)
        with self.store.scratch() as folder:
            files = self._save_model(folder, reason)
            self.store.upload_directory(folder, MODEL, last="model.safetensors")
            return files

    def _save_model(self, folder: Path, reason: ExitReason) -> dict[str, FileDigest]:
        dataset = self.trainer.dataset
        self.trainer.model.save(folder)
        save_tokenizer(folder, dataset.vocabulary, dataset.info.eos)
        write_model_card(
            folder,
            self.trainer.spec,
            self.manifest,
            self.recorder.lines,
            self.trainer.state.step,
            self.example,
            reason,
        )
        return {f"{MODEL}/{path.name}": file_digest(path) for path in folder.iterdir()}


@contextmanager
def begin(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    device: torch.device,
    *,
    resume: Resume,
    stop: StopRequest,
    notify: Callable[[str], None],
    group: Group = ALONE,
    track: Sequence[str] | None = None,
) -> Iterator[Attempt]:
    """Do everything that comes before the first step: check, take the place, make the trainer, load a checkpoint.

    Args:
        spec: resolved, and able to run here.
        group: the processes that train together, of which this one is the leader.
        track: as in `train_model`.

    Raises:
        GrokcoreError: as in `train_model`.
    """
    webhook_url()  # fail early on an invalid webhook URL
    store = open_store(out)
    trackers = trackers_of(track)
    check_places(trackers, store)
    check_place(store, spec, resume)
    dataset = open_dataset(data, expected_id=spec.dataset_id)
    example = example_of(dataset)
    execution_choices(spec.model, device.type)  # compiles the kernels, for up to a minute, before a place is taken
    stop.check()
    with sole_writer(store, notify=notify, check_stop=stop.check) as writer:
        resuming = check_place(store, spec, resume, ours=True)  # another process may have begun it meanwhile
        checkpoint = (
            last_checkpoint(writer.store, spec, require=resume == "require", notify=notify) if resuming else None
        )
        source = read_source(spec, dataset) if checkpoint is None else None
        group.command(Command.START)
        group.raise_together(None)
        trainer = make_trainer(spec, dataset, device, notify, group, {} if source is None else source.weights)
        stop.check()
        remove_leftovers(writer.store)
        manifest = manifest_of(trainer, open_store(data).uri, None if source is None else source.facts)
        _notify_of(manifest, notify)
        before = break_seal(writer.store, notify) if resuming else None
        if before is None:  # a run from its first file on, wherever this process may be killed
            manifest.begin_attempt(0, manifest.started)
            writer.store.write(SPEC, _yaml(spec))
            manifest.write(writer.store)
        recorder = Recorder(writer, spec, checkpoint, notify=notify)
        outlets: list[Notifications | TrainJobProgress | Trackings] = []
        try:
            if checkpoint is not None:
                trainer.restore(checkpoint)
            if before is not None:
                manifest = _resumed(manifest, before, trainer, recorder, notify)
                spec = spec_of_resumed(store, trainer.state.step, spec, notify)
                writer.store.write(SPEC, _yaml(spec))
                manifest.write(writer.store)
            notifications = Notifications.of_environment(
                writer.store, manifest, recorder.lines, notify, delay=spec.evaluation.delay
            )
            progress = TrainJobProgress.of_environment(spec, recorder.lines, lambda: trainer.state.step, notify)
            trackings = Trackings(trackers, writer.store, spec, manifest, recorder.lines, notify)
            outlets += [outlet for outlet in (notifications, progress, trackings) if outlet is not None]
            recorder.listeners += [outlet.show for outlet in outlets]
            metrics = RunMetrics(trainer, recorder, resumes=manifest.resumes)
            with show_run(trainer.spec, store.uri, metrics.samples):
                attempt = Attempt(
                    *(writer.store, trainer, recorder, metrics, manifest, _yaml(spec), example, notify),
                    *(notifications, progress, trackings),
                )
                recorder.listeners.append(attempt.record_graphs)
                yield attempt
        finally:
            recorder.close()
            for outlet in outlets:
                outlet.close()


def make_trainer(
    spec: ExperimentSpec,
    dataset: Dataset,
    device: torch.device,
    notify: Callable[[str], None],
    group: Group,
    start: Mapping[str, Tensor] = MappingProxyType({}),
) -> Trainer:
    """Build the spec's model and a trainer for it; all processes of the group do so at the same time.

    Args:
        start: the leader's weights to start from, as `Source` has them; none if it resumes from a checkpoint.
    """
    model = drawn_model(spec, dataset)
    if spec.model.start_from is not None:
        load_start(model, group.broadcast_tensors(start))
    return Trainer(spec, dataset, model, device=device, notify=notify, group=group)


def _notify_of(manifest: Manifest, notify: Callable[[str], None]) -> None:
    """Tell the size that `match` chose, the remarks, and why the C kernels are not used."""
    if size := manifest.execution.get("match"):
        notify(size)
    for remark in manifest.remarks:
        notify(remark)
    if obstacle := manifest.execution.get("kernel_obstacle"):
        notify(f"torch computes in place of the C kernels, slower and equal up to rounding: {obstacle}")


def _resumed(
    manifest: Manifest, before: Manifest, trainer: Trainer, recorder: Recorder, notify: Callable[[str], None]
) -> Manifest:
    """Return the manifest of a resumed run: this attempt's, or the one before if nothing is left to train."""
    if has_ended(trainer, recorder.lines):  # the record stays that of the processes that trained
        return before.model_copy(update={"exit_reason": None, "callback": None, "finished": None})
    manifest.begin_attempt(trainer.state.step, manifest.started, before)
    manifest.started = before.started
    manifest.resumes = before.resumes + (recorder.checkpoint is not None)
    if recorder.checkpoint is not None:
        manifest.source = before.source
        if before.source is not None and before.source.uses_held_out:
            manifest.uses_held_out = True
        compare_attempts(manifest, notify)
    return manifest


def _yaml(spec: ExperimentSpec) -> bytes:
    text = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text.encode()
