"""The stage `train`: from a spec and a dataset to a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from grokcore.data import open_dataset
from grokcore.errors import GrokcoreError
from grokcore.runs.manifest import ExitReason
from grokcore.runs.resume import Resume, TrainResult
from grokcore.spec import ExperimentSpec, check_hardware, resolve, resolve_device
from grokcore.spec.experiment import derived_seed
from grokcore.spec.ranks import rank_of_environment
from grokcore.training.attempt import begin, make_trainer
from grokcore.training.callbacks import Callback, Watcher
from grokcore.training.distributed.follower import await_end, await_start, follow, sending_outcome
from grokcore.training.distributed.group import ALONE, Group, group_of_processes, lost_peers
from grokcore.training.loop import reproducible, train
from grokcore.training.metrics_server import serve_metrics
from grokcore.training.signals import stop_on_signal


def train_model(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume = "auto",
    stop_with_parent: bool = False,
    track: Sequence[str] | None = None,
    on_evaluation: Callable[[dict[str, Any]], object] | None = None,
    callbacks: Sequence[Callback] = (),
    notify: Callable[[str], None] = lambda line: None,
) -> TrainResult:
    """Train a run, or resume it from its last checkpoint.

    A resumed run equals the uninterrupted one bit for bit on the same processor, with the same number of threads
    (`training.threads`, on a CPU one by default), the same versions of grokcore and torch, and the same C kernels or
    GPU. If any of these has changed, `notify` is told which, and the manifest records the conditions of each attempt.

    SIGINT and SIGTERM stop training: the current step or batch of an evaluation is finished, the state saved, and
    pending uploads are waited for, which takes as long as the store takes for two checkpoints. A second signal ends the
    process at once; the run then resumes from the previous checkpoint.

    With `training.engine: deepspeed` this process trains in the group that RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR
    and MASTER_PORT describe, as torchrun and deepspeed set them, or mpirun's own variables; without them it trains
    alone. All processes of a group call this with the same arguments, and all return the same result or raise the same
    error. Rank 0 does what is described here; the others compute for it, and call neither `on_evaluation` nor
    `callbacks` nor `notify`. A signal to any of them stops all after the current step.

    Args:
        spec: what to train; `precision: auto` and `engine: auto` are resolved for this process, which takes the engine
            deepspeed in a group of several.
        data: path or URI of the dataset; its id must be the spec's.
        out: path or URI of the run: a new place, an empty one, or this run's own.
        resume: `auto` resumes if there is a checkpoint; `never` refuses to resume, `require` refuses to start anew.
        stop_with_parent: stop as at a signal when the parent process has exited: for programs that start this one, and
            whose users stop them. Someone who leaves the shell with nohup does not want that.
        track: trackers that the run is shown in, such as `mlflow` and `tensorboard`; None takes `GROKCORE_TRACK`. What
            fails there is one remark, and stops nothing.
        on_evaluation: called with each new line of the journal.
        callbacks: called after each evaluation with a `TrainingContext`: the line, a copy of the model, and `stop`.
            They change nothing in training but its end: the weights are copies, and the random numbers that they draw
            are drawn apart. Their time is left out of the steps per second. A run that one of them stops has ended like
            one whose budget is used up: with its model, and with `exit_reason` and `callback` in its manifest. Up to
            there it equals the run without callbacks bit for bit, so that `uses_held_out` stays as it is; but weights
            that another run starts from count as chosen by held-out data, and its evaluation remarks on splits that
            were not sustained by then. The same call on the same place shows the callbacks the last evaluation again,
            and goes on if none stops. If a callback raises, the state is saved, and the error raised.
        notify: called with a line when `match` chose the model's size, for each remark of the manifest, when resuming,
            for each checkpoint that had to be skipped or could not be saved, if the C kernels cannot be compiled or
            the step cannot be recorded as a CUDA graph, if a run resumes under other conditions, and if it is beyond
            `training.max_steps` already.

    Raises:
        InputError: the spec cannot run here, the data are not the spec's, `out` holds another run or cannot be written,
            `GROKCORE_WEBHOOK_URL` is not a webhook's URL, or a tracker cannot be used here.
        TransientError: another process is writing the run, or its store could not be reached for several checkpoints.
        StoppedError: SIGINT or SIGTERM; the state is saved, and the same call continues from there.
    """
    spec = resolve(spec, devices=rank_of_environment().world_size)
    check_hardware(spec)
    with stop_on_signal(with_parent=stop_with_parent) as stop:
        group = group_of_processes() if spec.training.engine == "deepspeed" else ALONE
        device = _device(spec, group)
        group.share_stop(stop)
        with reproducible(_dropout_seed(spec, group), device, spec.training.threads):
            if not group.is_leader:
                with lost_peers():
                    return _follow(spec, data, device, group)
            with (
                sending_outcome(group) as results,
                serve_metrics(notify, stop),
                begin(
                    spec, data, out, device, resume=resume, stop=stop, notify=notify, group=group, track=track
                ) as attempt,
            ):
                trainer, recorder = attempt.trainer, attempt.recorder
                watcher = Watcher(trainer, recorder, attempt.store.uri, on_evaluation, callbacks)
                ended: ExitReason | Literal["failed"] = "failed"
                try:
                    ended = reason = watcher.resume() or train(trainer, recorder, stop, watcher.evaluated)
                finally:
                    watcher.end(ended)
                results.append(attempt.end(reason, callback=watcher.stop_reason))
            return results[0]


def _device(spec: ExperimentSpec, group: Group) -> torch.device:
    device = resolve_device(spec.training.device)
    return torch.device(device, group.local_rank) if device == "cuda" and group is not ALONE else torch.device(device)


def _dropout_seed(spec: ExperimentSpec, group: Group) -> int:
    """Return the spec's seed for the leader, and different ones for the others, which see other examples."""
    return spec.order_seed if group.is_leader else derived_seed(spec.order_seed, f"process {group.rank}")


def _follow(spec: ExperimentSpec, data: str | Path, device: torch.device, group: Group) -> TrainResult:
    """Train as a process other than the leader."""
    ended = await_start(group)
    if ended is not None:
        return ended
    obstacle: GrokcoreError | None = None
    try:
        dataset = open_dataset(data, expected_id=spec.dataset_id)
    except GrokcoreError as error:
        obstacle = type(error)(f"process {group.rank}: {error}")
    try:
        group.raise_together(obstacle)
    except GrokcoreError:
        return await_end(group)
    return follow(make_trainer(spec, dataset, device, lambda line: None, group), group)
