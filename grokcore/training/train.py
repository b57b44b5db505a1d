"""The stage `train`: a spec and a dataset become a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from grokcore.data import Dataset, open_dataset
from grokcore.data.layouts import VOCABULARY_FILE
from grokcore.data.supervision import longest_row
from grokcore.errors import StoppedError
from grokcore.models import build_model, match_words
from grokcore.spec import ExperimentSpec, check_hardware, resolve, resolve_device
from grokcore.storage import Store, new_directory, open_store, read_bytes
from grokcore.telemetry import Manifest, read_manifest
from grokcore.telemetry.manifest import ExitReason
from grokcore.telemetry.notifications import Notifications
from grokcore.telemetry.webhook import webhook_url
from grokcore.training.lock import sole_writer
from grokcore.training.loop import Trainer, reproducible
from grokcore.training.metrics.exposure import exposing, showing, write_final
from grokcore.training.metrics.meter import RunMeter
from grokcore.training.place import SPEC, Resume, TrainResult, check_place
from grokcore.training.record import flops_per_step, manifest_of, utc_now
from grokcore.training.recorder import Recorder
from grokcore.training.signals import StopRequest, stop_on_signal


def train_model(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume = "auto",
    stop_with_parent: bool = False,
    on_evaluation: Callable[[dict[str, Any]], None] | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> TrainResult:
    """Train a run, or go on with it where its last checkpoint stands.

    SIGINT and SIGTERM stop training wherever it is: the step or the batch of an evaluation in hand is finished, the
    state saved, and what the store still owes is waited for, which takes as long as the store takes for two
    checkpoints. A second signal ends the process at once, and the last checkpoint is the one before.

    Args:
        spec: what to train; `precision: auto` is resolved for this machine.
        data: path or URI of the dataset; its id must be the spec's.
        out: path or URI of the run: a new place, an empty one, or this run's own.
        resume: `auto` resumes if there is something to resume; `never` refuses that, `require` refuses the contrary.
        stop_with_parent: stop as at a signal when the parent process has gone: for programs that start this one, and
            whose users stop them. A person who leaves the shell behind with nohup does not want that.
        on_evaluation: called with each new line of the journal.
        notify: called with a line when `match` chose the model's size, when resuming, for each checkpoint that had to
            be skipped or could not be saved, and where the step cannot be recorded as a CUDA graph.

    Raises:
        InputError: the spec cannot run here, the data are not the spec's, or `out` holds another run or cannot be
            written, or `GROKCORE_WEBHOOK_URL` is no URL of a webhook.
        TransientError: another process is writing the run, or its store could not be reached for several checkpoints.
        StoppedError: SIGINT or SIGTERM; the state is saved, and the same call goes on from there.
    """
    spec = resolve(spec)
    check_hardware(spec)
    device = torch.device(resolve_device(spec.training.device))
    with (
        stop_on_signal(with_parent=stop_with_parent) as stop,
        exposing(notify, stop),
        reproducible(spec.order_seed, device, spec.training.threads),
        begin(spec, data, out, resume=resume, stop=stop, notify=notify) as attempt,
    ):
        return attempt.end(attempt.trainer.run(attempt.recorder, stop, on_evaluation or (lambda line: None)))


@dataclass
class Attempt:
    """A run that has begun, or goes on, in this process, which is the only one to write it.

    Attributes:
        store: where it lies.
        trainer: at the step where it goes on.
        recorder: with its journal up to there.
        meter: reads both.
        notifications: where the environment asks for them.
    """

    store: Store
    trainer: Trainer
    recorder: Recorder
    meter: RunMeter
    manifest: Manifest
    vocabulary: bytes
    notify: Callable[[str], None]
    notifications: Notifications | None

    def end(self, reason: ExitReason) -> TrainResult:
        """Write what a run leaves at its end.

        Raises:
            StoppedError: the reason is a signal.
        """
        step = self.trainer.state.step
        if reason != "stopped":
            self._write_model()
        write_final(self.store, self.meter.samples(), self.notify)
        self.manifest.exit_reason, self.manifest.finished = reason, utc_now()
        self.manifest.write(self.store)
        if reason == "stopped":
            raise StoppedError(f"stopped at step {step}; the same command goes on from there")
        if self.notifications is not None:
            self.notifications.end(reason, self.recorder.lines[-1])
        return TrainResult(self.store.uri, reason, step)

    def _write_model(self) -> None:
        if self.store.directory is not None:  # where all of it can appear at once
            with new_directory(self.store.directory / "model", replace=True) as folder:
                self._save_model(folder)
        else:
            with self.store.scratch() as folder:
                self._save_model(folder)
                self.store.upload_directory(folder, "model", last="model.safetensors")

    def _save_model(self, folder: Path) -> None:
        self.trainer.model.save(folder)
        (folder / VOCABULARY_FILE).write_bytes(self.vocabulary)


@contextmanager
def begin(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume,
    stop: StopRequest,
    notify: Callable[[str], None],
) -> Iterator[Attempt]:
    """Everything that comes before a run's first step; `spec` is resolved and can run here.

    Errors as in `train_model`.
    """
    webhook_url()  # one that is none is found out now
    device = torch.device(resolve_device(spec.training.device))
    store = open_store(out)
    check_place(store, spec, resume)
    dataset = open_dataset(data, expected_id=spec.dataset_id)
    stop.check()
    with sole_writer(store, notify=notify, check_stop=stop.check) as writer:
        resuming = check_place(store, spec, resume)  # again: another process may have begun it meanwhile
        trainer = _trainer(spec, dataset, device, notify)
        if chosen := match_words(spec.model):
            notify(chosen)
        stop.check()
        _remove_leftovers(writer.store)
        recorder = Recorder(writer, spec, resume=resuming, require=resume == "require", notify=notify)
        notifications: Notifications | None = None
        try:
            if recorder.checkpoint is not None:
                trainer.restore(recorder.checkpoint)
            manifest = manifest_of(spec, dataset, open_store(data).uri, device, trainer.examples.prefix_sharing)
            if resuming:
                before = read_manifest(store)
                manifest.started = before.started
                manifest.resumes = before.resumes + (recorder.checkpoint is not None)
            writer.store.write(SPEC, _yaml(spec))
            manifest.write(writer.store)
            notifications = Notifications.of_environment(writer.store, manifest, recorder.lines, notify)
            if notifications is not None:
                recorder.listeners.append(notifications.show)
            vocabulary = read_bytes(dataset.path / VOCABULARY_FILE)
            meter = RunMeter(spec, trainer, recorder, resumes=manifest.resumes)
            with showing(spec, store.uri, meter.samples):
                yield Attempt(writer.store, trainer, recorder, meter, manifest, vocabulary, notify, notifications)
        finally:
            recorder.close()
            if notifications is not None:
                notifications.close()


def _trainer(spec: ExperimentSpec, dataset: Dataset, device: torch.device, notify: Callable[[str], None]) -> Trainer:
    model = build_model(
        spec.model,
        vocabulary_size=dataset.info.vocabulary_size,
        sequence_length=longest_row(dataset.info.sequence_length),
        seed=spec.init_seed,
        eos=dataset.info.eos,
    )
    return Trainer(spec, dataset, model, device=device, flops_per_step=flops_per_step(spec, dataset), notify=notify)


def _remove_leftovers(store: Store) -> None:
    """Remove what writers of this run that were killed have left; other stages may be writing their files now."""
    theirs = (".evaluation.json.", ".report.html.", ".error.json.")
    store.remove_leftovers([name for name in store.leftovers() if not name.startswith(theirs)])


def _yaml(spec: ExperimentSpec) -> bytes:
    text = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text.encode()
