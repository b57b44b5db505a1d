"""The stage `train`: a spec and a dataset become a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from grokcore.data import Dataset, open_dataset
from grokcore.data.supervision import longest_row
from grokcore.errors import GrokcoreError, StoppedError
from grokcore.models import build_model, execution_choices, match_words
from grokcore.models.tokenizer import save_tokenizer
from grokcore.runs import JOURNAL, Manifest
from grokcore.runs.journal import JournalLine
from grokcore.runs.lock import sole_writer
from grokcore.runs.manifest import ExitReason
from grokcore.runs.resume import SPEC, Resume, TrainResult, check_place
from grokcore.runs.seal import MODEL, FileDigest, digest_of, file_digest
from grokcore.spec import ExperimentSpec, check_hardware, resolve, resolve_device
from grokcore.spec.experiment import derived_seed
from grokcore.spec.ranks import rank_of_environment
from grokcore.storage import Store, new_directory, open_store
from grokcore.telemetry.notifications import Notifications
from grokcore.telemetry.webhook import webhook_url
from grokcore.training.distributed.follower import await_beginning, follow, hear_end, leading
from grokcore.training.distributed.group import ALONE, Group, Order, group_of_processes
from grokcore.training.loop import Trainer, reproducible
from grokcore.training.metrics_server import exposing, showing, write_final
from grokcore.training.provenance import flops_per_step, manifest_of, utc_now
from grokcore.training.recorder import Recorder
from grokcore.training.resuming import break_seal, compare_attempts, remove_leftovers, spec_of_resumed
from grokcore.training.run_metrics import RunMeter
from grokcore.training.signals import StopRequest, stop_on_signal


def train_model(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume = "auto",
    stop_with_parent: bool = False,
    on_evaluation: Callable[[JournalLine], None] | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> TrainResult:
    """Train a run, or go on with it where its last checkpoint stands.

    A run that goes on equals the uninterrupted one bit for bit on the same processor, with the same number of threads
    (`training.threads`, on a CPU one by default), the same versions of grokcore and torch, and the same C kernels or
    GPU. Where something of it has changed, `notify` is told what, and the manifest keeps what each attempt had.

    SIGINT and SIGTERM stop training wherever it is: the step or the batch of an evaluation in hand is finished, the
    state saved, and what the store still owes is waited for, which takes as long as the store takes for two
    checkpoints. A second signal ends the process at once, and the last checkpoint is the one before.

    With `training.engine: deepspeed` this process trains in the group that RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR
    and MASTER_PORT describe, as torchrun and deepspeed set them, or mpirun its own; without them it trains alone. All
    processes of a group call this with the same arguments, and all return the same, or raise the same error. Process 0
    does what is written here; the others compute for it, and call neither `on_evaluation` nor `notify`. A signal to any
    of them stops all after the step in hand.

    Args:
        spec: what to train; `precision: auto` and `engine: auto` are resolved for this process, which takes the engine
            deepspeed in a group of several.
        data: path or URI of the dataset; its id must be the spec's.
        out: path or URI of the run: a new place, an empty one, or this run's own.
        resume: `auto` resumes if there is something to resume; `never` refuses that, `require` refuses the contrary.
        stop_with_parent: stop as at a signal when the parent process has gone: for programs that start this one, and
            whose users stop them. A person who leaves the shell behind with nohup does not want that.
        on_evaluation: called with each new line of the journal.
        notify: called with a line when `match` chose the model's size, for each remark of the manifest, when resuming,
            for each checkpoint that had to be skipped or could not be saved, where the C kernels cannot be compiled or
            the step be recorded as a CUDA graph, where a run goes on under other conditions, and where it is beyond
            `training.max_steps` already.

    Raises:
        InputError: the spec cannot run here, the data are not the spec's, or `out` holds another run or cannot be
            written, or `GROKCORE_WEBHOOK_URL` is no URL of a webhook.
        TransientError: another process is writing the run, or its store could not be reached for several checkpoints.
        StoppedError: SIGINT or SIGTERM; the state is saved, and the same call goes on from there.
    """
    spec = resolve(spec, devices=rank_of_environment().world_size)
    check_hardware(spec)
    with stop_on_signal(with_parent=stop_with_parent) as stop:
        group = group_of_processes() if spec.training.engine == "deepspeed" else ALONE
        device = device_of(spec, group)
        group.listen(stop)
        with reproducible(_dropout_seed(spec, group), device, spec.training.threads):
            if not group.leads:
                return _follow(spec, data, device, group, stop)
            with (
                leading(group) as results,
                exposing(notify, stop),
                begin(spec, data, out, resume=resume, stop=stop, notify=notify, group=group) as attempt,
            ):
                reason = attempt.trainer.run(attempt.recorder, stop, on_evaluation or (lambda line: None))
                results.append(attempt.end(reason))
            return results[0]


def device_of(spec: ExperimentSpec, group: Group = ALONE) -> torch.device:
    """Where this process trains."""
    device = resolve_device(spec.training.device)
    return torch.device(device, group.local_rank) if device == "cuda" and group is not ALONE else torch.device(device)


def _dropout_seed(spec: ExperimentSpec, group: Group) -> int:
    """That of the spec for a process that leads, another for each of those that see other examples."""
    return spec.order_seed if group.leads else derived_seed(spec.order_seed, f"process {group.rank}")


def _follow(
    spec: ExperimentSpec, data: str | Path, device: torch.device, group: Group, stop: StopRequest
) -> TrainResult:
    """What a process does that does not lead."""
    ended = await_beginning(group)
    if ended is not None:
        return ended
    obstacle: GrokcoreError | None = None
    try:
        dataset = open_dataset(data, expected_id=spec.dataset_id)
    except GrokcoreError as error:
        obstacle = type(error)(f"process {group.rank}: {error}")
    try:
        group.agree(obstacle)
    except GrokcoreError:
        return hear_end(group)
    return follow(_trainer(spec, dataset, device, lambda line: None, group), group)


@dataclass
class Attempt:
    """A run that has begun, or goes on, in this process, which is the only one to write it.

    Attributes:
        store: where it lies.
        trainer: at the step where it goes on.
        recorder: with its journal up to there.
        meter: reads both.
        spec: spec.yaml, as it was written.
        notifications: where the environment asks for them.
    """

    store: Store
    trainer: Trainer
    recorder: Recorder
    meter: RunMeter
    manifest: Manifest
    spec: bytes
    dataset: Dataset
    notify: Callable[[str], None]
    notifications: Notifications | None

    def record_graphs(self, _line: Mapping[str, Any] | None = None) -> None:
        """Put into the manifest that a step turned out to be no CUDA graph, once it has."""
        graphs = self.trainer.graphs
        if graphs is not None and graphs.status not in (None, self.manifest.execution.get("cuda_graph")):
            self.manifest.set_execution("cuda_graph", str(graphs.status))
            self.manifest.write(self.store)

    def end(self, reason: ExitReason) -> TrainResult:
        """Write what a run leaves at its end.

        Raises:
            StoppedError: the reason is a signal.
        """
        step = self.trainer.state.step
        files = {SPEC: digest_of(self.spec), JOURNAL: digest_of(self.recorder.journal)}
        if reason != "stopped":
            files |= self._write_model()
        write_final(self.store, self.meter.samples(), self.notify)
        self.record_graphs()
        self.manifest.exit_reason, self.manifest.finished = reason, utc_now()
        self.manifest.write(self.store, seal=files)
        if reason == "stopped":
            raise StoppedError(f"stopped at step {step}; the same command goes on from there")
        if self.notifications is not None:
            self.notifications.end(reason, self.recorder.lines[-1])
        return TrainResult(self.store.uri, reason, step)

    def _write_model(self) -> dict[str, FileDigest]:
        """Write the model, and return what its files are, by their keys."""
        self.trainer.state.whole.settle()
        if self.store.directory is not None:  # where all of it can appear at once
            with new_directory(self.store.directory / MODEL, replace=True) as folder:
                return self._save_model(folder)
        with self.store.scratch() as folder:
            files = self._save_model(folder)
            self.store.upload_directory(folder, MODEL, last="model.safetensors")
            return files

    def _save_model(self, folder: Path) -> dict[str, FileDigest]:
        self.trainer.model.save(folder)
        save_tokenizer(folder, self.dataset.vocabulary, self.dataset.info.eos)
        return {f"{MODEL}/{path.name}": file_digest(path) for path in folder.iterdir()}


@contextmanager
def begin(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume,
    stop: StopRequest,
    notify: Callable[[str], None],
    group: Group = ALONE,
) -> Iterator[Attempt]:
    """Everything that comes before a run's first step; `spec` is resolved and can run here.

    Args:
        group: the processes that train together, of which this one leads.

    Errors as in `train_model`.
    """
    webhook_url()  # one that is none is found out now
    device = device_of(spec, group)
    store = open_store(out)
    check_place(store, spec, resume)
    dataset = open_dataset(data, expected_id=spec.dataset_id)
    execution_choices(spec.model, device.type)  # compiles the kernels, for up to a minute, before a place is taken
    stop.check()
    with sole_writer(store, notify=notify, check_stop=stop.check) as writer:
        resuming = check_place(store, spec, resume, ours=True)  # another process may have begun it meanwhile
        group.order(Order.BEGIN)
        group.agree(None)
        trainer = _trainer(spec, dataset, device, notify, group)
        if chosen := match_words(spec.model):
            notify(chosen)
        stop.check()
        remove_leftovers(writer.store)
        manifest = manifest_of(
            spec, dataset, open_store(data).uri, device, trainer.examples.prefix_sharing, group.world_size
        )
        for remark in manifest.remarks:
            notify(remark)
        if obstacle := manifest.execution.get("kernel_obstacle"):
            notify(f"torch computes in place of the C kernels, slower and equal up to rounding: {obstacle}")
        if trainer.graphs is not None and trainer.graphs.status is not None:
            manifest.execution["cuda_graph"] = trainer.graphs.status
        if resuming:
            before = break_seal(writer.store, notify)
        else:  # a run from its first file on, wherever this process may be killed
            manifest.begin_attempt(0, manifest.started)
            writer.store.write(SPEC, _yaml(spec))
            manifest.write(writer.store)
        written = spec
        recorder = Recorder(writer, spec, resume=resuming, require=resume == "require", notify=notify)
        notifications: Notifications | None = None
        try:
            if recorder.checkpoint is not None:
                trainer.restore(recorder.checkpoint)
            if resuming:
                if trainer.has_ended(recorder.lines):  # the record stays that of the processes that trained
                    manifest = before.model_copy(update={"exit_reason": None, "finished": None})
                else:
                    manifest.begin_attempt(trainer.state.step, manifest.started, before)
                    manifest.started = before.started
                    manifest.resumes = before.resumes + (recorder.checkpoint is not None)
                    if recorder.checkpoint is not None:
                        compare_attempts(manifest, notify)
                written = spec_of_resumed(store, trainer.state.step, spec, notify)
                writer.store.write(SPEC, _yaml(written))
                manifest.write(writer.store)
            notifications = Notifications.of_environment(
                writer.store, manifest, recorder.lines, notify, delay=spec.evaluation.delay
            )
            if notifications is not None:
                recorder.listeners.append(notifications.show)
            meter = RunMeter(spec, trainer, recorder, resumes=manifest.resumes)
            with showing(spec, store.uri, meter.samples):
                attempt = Attempt(
                    *(writer.store, trainer, recorder, meter, manifest, _yaml(written), dataset, notify, notifications)
                )
                recorder.listeners.append(attempt.record_graphs)
                yield attempt
        finally:
            recorder.close()
            if notifications is not None:
                notifications.close()


def _trainer(
    spec: ExperimentSpec, dataset: Dataset, device: torch.device, notify: Callable[[str], None], group: Group
) -> Trainer:
    model = build_model(
        spec.model,
        vocabulary_size=dataset.info.vocabulary_size,
        sequence_length=longest_row(dataset.info.sequence_length),
        seed=spec.init_seed,
        eos=dataset.info.eos,
    )
    flops = flops_per_step(spec, dataset)
    return Trainer(spec, dataset, model, device=device, flops_per_step=flops, notify=notify, group=group)


def _yaml(spec: ExperimentSpec) -> bytes:
    text = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text.encode()
