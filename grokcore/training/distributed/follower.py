"""Processes other than the leader: they hold their shard of the state and carry out the leader's commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from grokcore.errors import GrokcoreError, TransientError, encode_error
from grokcore.runs.resume import TrainResult, decode_outcome, encode_outcome
from grokcore.training.checkpoints.checkpoint import Checkpoint
from grokcore.training.distributed.group import Command, Group, lost_peers
from grokcore.training.trainer import Trainer


def await_start(group: Group) -> TrainResult | None:
    """Wait until the leader starts training; return its result if there is nothing to train.

    Raises:
        GrokcoreError: the leader's, which could not start.
    """
    command, *_ = group.next_command()
    return None if command is Command.START else _receive_outcome(group)


def await_end(group: Group) -> TrainResult:
    """Wait for the leader's final message, and return its result.

    Raises:
        GrokcoreError: the leader's.
    """
    group.next_command()
    return _receive_outcome(group)


def follow(trainer: Trainer, group: Group) -> TrainResult:
    """Carry out the leader's commands until it ends the training.

    Raises:
        GrokcoreError: the leader's, raised by all processes alike.
    """
    state = trainer.state
    full: Any = state.full  # an engine for several processes has the methods below
    step: Any = trainer.engine_step
    while True:
        command, learning_rate, frozen = group.next_command()
        match command:
            case Command.STEP:
                step.local(trainer.sampler(state.step), learning_rate, frozen)
            case Command.COLLECT:
                state.collect()
            case Command.RESTORE:
                message = group.broadcast(None)
                tensors = group.broadcast_tensors({})
                checkpoint = Checkpoint(state.run_id, message["step"], tensors, message["values"])
                trainer.restore_local(checkpoint, message["restarts"])
            case Command.NORM:
                full.local_norm()
            case Command.CONSOLIDATE:
                full.local_consolidate()
            case Command.END:
                return _receive_outcome(group)
            case Command.START:
                raise RuntimeError("a training started inside another")


@contextmanager
def sending_outcome(group: Group) -> Iterator[list[TrainResult]]:
    """Send the others the outcome of the block: the one result that it appends to the list, or its error.

    Raises:
        TransientError: another process has gone, whatever the block was doing with it.
    """
    results: list[TrainResult] = []
    try:
        with lost_peers():
            yield results
    except GrokcoreError as error:
        _send_outcome(group, encode_error(error))
        raise
    except Exception as error:
        _send_outcome(group, encode_error(TransientError(f"process 0 of this training failed: {type(error).__name__}")))
        raise
    _send_outcome(group, encode_outcome(results[0]))


def _send_outcome(group: Group, outcome: dict[str, Any]) -> None:
    try:
        group.command(Command.END)
        group.broadcast(outcome)
    except TransientError:  # a process has gone, and the others have noticed it in the same way
        pass


def _receive_outcome(group: Group) -> TrainResult:
    outcome = decode_outcome(group.broadcast(None))
    if isinstance(outcome, GrokcoreError):
        outcome.reported = True
        raise outcome
    return outcome
