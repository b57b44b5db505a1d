"""The stage `train`: a spec and a dataset become a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from grokcore.data import Dataset, open_dataset
from grokcore.data.supervision import longest_row
from grokcore.errors import StoppedError
from grokcore.models import build_model
from grokcore.spec import ExperimentSpec, check_hardware, resolve, resolve_device
from grokcore.storage import local_path, new_directory, write_atomically
from grokcore.telemetry import JOURNAL, Journal, Manifest, cut_back, read_manifest
from grokcore.telemetry.manifest import ExitReason
from grokcore.training.checkpoints import load_checkpoint
from grokcore.training.loop import Trainer, reproducible
from grokcore.training.place import Resume, TrainResult, check_place
from grokcore.training.record import flops_per_step, manifest_of, utc_now
from grokcore.training.signals import stop_on_signal


def train_model(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume = "auto",
    on_evaluation: Callable[[dict[str, Any]], None] | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> TrainResult:
    """Train a run, or go on with it where its last checkpoint stands.

    Args:
        spec: what to train; `precision: auto` is resolved for this machine.
        data: directory of the dataset; its id must be the spec's.
        out: the run's directory: new, empty, or this run's own.
        resume: `auto` resumes if there is something to resume; `never` refuses that, `require` refuses the contrary.
        on_evaluation: called with each new line of the journal.
        notify: called with a line when resuming, for each checkpoint that had to be skipped, and where the step cannot
            be recorded as a CUDA graph.

    Raises:
        InputError: the spec cannot run here, the data are not the spec's, or `out` holds another run.
        StoppedError: SIGINT or SIGTERM; the state is saved, and the same call goes on from there.
    """
    spec = resolve(spec)
    check_hardware(spec)
    device = torch.device(resolve_device(spec.training.device))
    with stop_on_signal() as stop, reproducible(spec.order_seed, device, spec.training.threads):
        attempt = begin(spec, data, out, resume=resume, notify=notify)
        journal = Journal(attempt.run / JOURNAL)
        try:
            reason = attempt.trainer.run(attempt.lines, journal, stop, on_evaluation or (lambda line: None))
        finally:
            journal.close()
    return attempt.end(reason)


@dataclass
class Attempt:
    """A run that has begun, or goes on, in this process.

    Attributes:
        run: its directory.
        trainer: at the step where it goes on.
        lines: its journal up to there.
    """

    run: Path
    trainer: Trainer
    lines: list[dict[str, Any]]
    manifest: Manifest
    vocabulary: Path

    def end(self, reason: ExitReason) -> TrainResult:
        """Write what a run leaves at its end.

        Raises:
            StoppedError: the reason is a signal.
        """
        step = self.trainer.state.step
        if reason != "stopped":
            with new_directory(self.run / "model", replace=True) as directory:
                self.trainer.model.save(directory)
                write_atomically(directory / "vocab.json", self.vocabulary.read_bytes())
        self.manifest.exit_reason, self.manifest.finished = reason, utc_now()
        self.manifest.write(self.run)
        if reason == "stopped":
            raise StoppedError(f"stopped at step {step}; the same command goes on from there")
        return TrainResult(str(self.run), reason, step)


def begin(
    spec: ExperimentSpec, data: str | Path, out: str | Path, *, resume: Resume, notify: Callable[[str], None]
) -> Attempt:
    """Everything that comes before a run's first step; `spec` is resolved and can run here."""
    device = torch.device(resolve_device(spec.training.device))
    run, data_path = local_path(out).absolute(), local_path(data).absolute()
    resuming = check_place(run, spec, resume)
    dataset = open_dataset(data_path, expected_id=spec.dataset_id)
    trainer = _trainer(spec, dataset, device, run, notify)
    lines = _resume(run, trainer, notify) if resuming else []
    manifest = manifest_of(spec, dataset, str(data_path), device, trainer.examples.prefix_sharing)
    if resuming:
        manifest.started = read_manifest(run).started
    _write_spec(run, spec)
    manifest.write(run)
    return Attempt(run, trainer, lines, manifest, data_path / "vocab.json")


def _trainer(
    spec: ExperimentSpec, dataset: Dataset, device: torch.device, run: Path, notify: Callable[[str], None]
) -> Trainer:
    model = build_model(
        spec.model,
        vocabulary_size=dataset.info.vocabulary_size,
        sequence_length=longest_row(dataset.info.sequence_length),
        seed=spec.init_seed,
        eos=dataset.info.eos,
    )
    return Trainer(
        spec,
        dataset,
        model,
        device=device,
        flops_per_step=flops_per_step(spec, dataset),
        checkpoints=run / "checkpoints",
        notify=notify,
    )


def _resume(run: Path, trainer: Trainer, notify: Callable[[str], None]) -> list[dict[str, Any]]:
    """Restore the last good checkpoint and cut the journal back to it."""
    checkpoint, skipped = load_checkpoint(run / "checkpoints", trainer.spec.run_id)
    for line in skipped:
        notify(line)
    if checkpoint is None:
        return cut_back(run / JOURNAL, -1)
    trainer.state.restore(checkpoint)
    notify(f"resuming at step {checkpoint.step}")
    return cut_back(run / JOURNAL, checkpoint.step)


def _write_spec(run: Path, spec: ExperimentSpec) -> None:
    text = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_atomically(run / "spec.yaml", text.encode())
