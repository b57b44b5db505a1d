"""The group of processes that train together: the leader's commands, and the messages between processes.

A command is four numbers, summed over all processes by gloo on the CPU: the leader contributes the command, and each
process whether it was asked to stop. So a signal to any one of them stops all at the same step, at no more cost than
the message that each step needs anyway. Devices are not waited for. There is no timeout: the others wait here while the
leader evaluates or saves. A process that dies closes the connection, which ends the wait.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import IntEnum
from functools import cache
from typing import Any, get_args

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore

from grokcore.errors import GrokcoreError, InputError, TransientError, decode_error, encode_error
from grokcore.spec.ranks import Rank, rank_of_environment
from grokcore.spec.training import Role
from grokcore.training.signals import StopRequest

ROLES: tuple[Role, ...] = get_args(Role)

_FOREVER = timedelta(days=365)
_START = timedelta(minutes=30)
"""Time for processes to find each other, which includes pulling images."""


class Command(IntEnum):
    """The next operation of all processes."""

    START = 1
    STEP = 2
    COLLECT = 3
    RESTORE = 4
    NORM = 5
    CONSOLIDATE = 6
    END = 7


class Group:
    """One process's view of its group.

    Args:
        place: this process's rank.
        control: gloo's group of all processes; None for a single process, which sends no messages.
    """

    def __init__(self, place: Rank, control: dist.ProcessGroup | None = None) -> None:
        self.rank, self.world_size, self.local_rank = place.rank, place.world_size, place.local_rank
        self._control = control
        self._stop = StopRequest()

    def share_stop(self, stop: StopRequest) -> None:
        """Share a request to stop: one to this process reaches the group, one to any other process reaches `stop`."""
        self._stop = stop

    @property
    def is_leader(self) -> bool:
        return self.rank == 0

    @property
    def suffix(self) -> str:
        """Suffix of the names of this process's own tensors; the leader has none."""
        return f".{self.rank}" if self.rank else ""

    def command(self, command: Command, learning_rate: float = 0.0, frozen: Collection[Role] = ()) -> None:
        """Send a command from the leader to all others, and receive their requests to stop.

        Called by another process, which is carrying the command out already, it does nothing.
        """
        if self._control is not None and self.is_leader:
            self._exchange(float(command), learning_rate, sum(2.0 ** ROLES.index(role) for role in frozen))

    def next_command(self) -> tuple[Command, float, list[Role]]:
        """Wait for the leader's next command; for a step, return its learning rate and the frozen roles, too."""
        command, learning_rate, frozen = self._exchange(0.0, 0.0, 0.0)
        return Command(int(command)), learning_rate, [role for bit, role in enumerate(ROLES) if int(frozen) >> bit & 1]

    def _exchange(self, command: float, learning_rate: float, frozen: float) -> tuple[float, float, float]:
        message = torch.tensor([command, learning_rate, frozen, float(self._stop.requested)], dtype=torch.float64)
        with lost_peers():
            dist.all_reduce(message, group=self._control)
        command, learning_rate, frozen, stops = message.tolist()
        if stops:
            self._stop.requested = True
        return command, learning_rate, frozen

    def broadcast(self, message: Any, *, sender: int = 0) -> Any:
        """Send a message of one process to all, as JSON; every process returns it."""
        if self._control is None:
            return message
        content = json.dumps(message, allow_nan=False).encode() if self.rank == sender else b""
        size = torch.tensor([len(content)])
        with lost_peers():
            dist.broadcast(size, sender, group=self._control)
            text = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0)
            if self.rank != sender:
                text = torch.empty(int(size.item()), dtype=torch.uint8)
            dist.broadcast(text, sender, group=self._control)
        return json.loads(text.numpy().tobytes())

    def raise_together(self, error: GrokcoreError | None) -> None:
        """Raise the error of any process in all of them.

        Raises:
            GrokcoreError: the error of the lowest rank that has one.
        """
        for sender in range(self.world_size):
            found = self.broadcast(None if error is None else encode_error(error), sender=sender)
            if found is not None:
                failure = decode_error(found)
                failure.reported = not self.is_leader
                raise failure

    def broadcast_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Send the leader's tensors to all processes, which receive them on the CPU."""
        if self._control is None:
            return dict(tensors)
        layout = self.broadcast(
            [[name, str(one.dtype).removeprefix("torch."), list(one.shape)] for name, one in tensors.items()]
        )
        found: dict[str, Tensor] = {}
        for name, dtype, shape in layout:
            one = (
                tensors[name].cpu().contiguous() if self.is_leader else torch.empty(shape, dtype=getattr(torch, dtype))
            )
            dist.broadcast(one.view(-1).view(torch.uint8), 0, group=self._control)
            found[name] = one
        return found

    def gather(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gather each process's own CPU tensors in all processes; the names of ranks from 1 on end with the rank."""
        if self._control is None:
            return dict(tensors)
        found: dict[str, Tensor] = {}
        for name, mine in tensors.items():
            gathered = [torch.empty_like(mine) for _ in range(self.world_size)]
            dist.all_gather(gathered, mine.contiguous(), group=self._control)
            found |= {f"{name}.{rank}" if rank else name: one for rank, one in enumerate(gathered)}
        return found


ALONE = Group(Rank())


@contextmanager
def lost_peers() -> Iterator[None]:
    """Turn the error of a lost connection into one that names its cause.

    Raises:
        TransientError: another process of the group has gone.
    """
    try:
        yield
    except RuntimeError as error:  # what gloo and NCCL raise when a connection ends
        text = str(error)
        if isinstance(error, dist.DistError) or any(word in text for word in ("gloo", "Connection closed", "NCCL")):
            raise TransientError(
                "another process of this training has gone: the same command goes on from the last checkpoint"
            ) from None
        raise


@cache
def group_of_processes() -> Group:
    """Join the group that the environment describes, once per process; DeepSpeed needs one for a single process, too.

    Raises:
        InputError: the environment's description is contradictory, or names a GPU that does not exist.
        TransientError: the other processes did not connect in time.
    """
    place = rank_of_environment()
    _name_for_deepspeed(place)
    cuda = torch.cuda.is_available()
    if cuda:
        if place.local_rank >= torch.cuda.device_count():
            raise InputError(
                f"process {place.rank} needs GPU {place.local_rank} of its node, and there are "
                f"{torch.cuda.device_count()}: start one process per GPU"
            )
        torch.cuda.set_device(place.local_rank)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    if place.world_size == 1:
        dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
        return Group(place)
    try:
        dist.init_process_group(backend, rank=place.rank, world_size=place.world_size, timeout=_START)
        return Group(place, dist.new_group(backend="gloo", timeout=_FOREVER))
    except (RuntimeError, ValueError) as error:
        raise TransientError(
            f"the {place.world_size} processes of this training did not find each other at "
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}: {str(error).partition(chr(10))[0]}"
        ) from None


def _name_for_deepspeed(place: Rank) -> None:
    """Set torchrun's variables to what another launcher has set in its own."""
    for name, value in (("RANK", place.rank), ("WORLD_SIZE", place.world_size), ("LOCAL_RANK", place.local_rank)):
        os.environ.setdefault(name, str(value))
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
