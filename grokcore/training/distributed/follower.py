"""The processes that do not lead: they hold their part of a training and do what the leader orders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from grokcore.errors import GrokcoreError, TransientError, encode_error
from grokcore.runs.resume import TrainResult, decode_outcome, encode_outcome
from grokcore.training.checkpoints.checkpoint import Checkpoint
from grokcore.training.distributed.group import Group, Order

if TYPE_CHECKING:
    from grokcore.training.loop import Trainer


def await_beginning(group: Group) -> TrainResult | None:
    """Wait until the leader begins; a result where there was nothing to begin.

    Raises:
        GrokcoreError: the leader's, which could not.
    """
    order, _ = group.next()
    return None if order is Order.BEGIN else _end(group)


def hear_end(group: Group) -> TrainResult:
    """Wait until the leader says how the training ends, which is all that it orders any more.

    Raises:
        GrokcoreError: its error.
    """
    group.next()
    return _end(group)


def follow(trainer: Trainer, group: Group) -> TrainResult:
    """Do this process's part of everything, until the leader ends it.

    Raises:
        GrokcoreError: the leader's, raised by all processes alike.
    """
    state = trainer.state
    part: Any = state.whole  # the methods below are those of an engine for several processes
    step: Any = trainer.step
    while True:
        order, learning_rate = group.next()
        match order:
            case Order.STEP:
                step.local(trainer.sampler(state.step), learning_rate)
            case Order.COLLECT:
                state.collect()
            case Order.RESTORE:
                told = group.tell(None)
                checkpoint = Checkpoint(state.run_id, told["step"], group.share({}), told["values"])
                trainer.take_over(checkpoint, told["restarts"])
            case Order.NORM:
                part.divided_norm()
            case Order.SETTLE:
                part.settle_local()
            case Order.END:
                return _end(group)
            case Order.BEGIN:
                raise RuntimeError("a training began inside another")


@contextmanager
def leading(group: Group) -> Iterator[list[TrainResult]]:
    """Tell the others how the block ends: with the one result that it puts into the list, or with its error."""
    results: list[TrainResult] = []
    try:
        yield results
    except GrokcoreError as error:
        _tell(group, encode_error(error))
        raise
    except Exception as error:
        _tell(group, encode_error(TransientError(f"process 0 of this training failed: {type(error).__name__}")))
        raise
    _tell(group, encode_outcome(results[0]))


def _tell(group: Group, outcome: dict[str, Any]) -> None:
    """Where a peer has gone, the others have heard of it in the same way."""
    try:
        group.order(Order.END)
        group.tell(outcome)
    except TransientError:
        pass


def _end(group: Group) -> TrainResult:
    outcome = decode_outcome(group.tell(None))
    if isinstance(outcome, GrokcoreError):
        outcome.said = True
        raise outcome
    return outcome
