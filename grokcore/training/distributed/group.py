"""The group of processes that train together: what the leader orders, and what they tell each other.

An order is three numbers, added up over all processes by gloo on the CPU: the leader contributes what is to be done,
and each process whether it was asked to stop. So a signal that reaches any one of them stops all at the same step, for
no more than the message that each step needs anyway. Devices are not waited for. The group waits as long as it takes:
the others wait in it while the leader evaluates or saves, and no clock may end that. A process that dies ends the
connection, and with it the wait.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import IntEnum
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore

from grokcore.errors import GrokcoreError, InputError, TransientError, decode_error, encode_error
from grokcore.spec.ranks import Rank, rank_of_environment
from grokcore.training.signals import StopRequest

_FOREVER = timedelta(days=365)
_START = timedelta(minutes=30)
"""How long processes may take to find each other, images that are still being pulled included."""


class Order(IntEnum):
    """What all processes do next."""

    BEGIN = 1
    STEP = 2
    COLLECT = 3
    RESTORE = 4
    NORM = 5
    SETTLE = 6
    END = 7


class Group:
    """One process's view of its group.

    Args:
        place: which of them it is.
        control: gloo's group of them all; None for a process alone, which needs nobody's word.
    """

    def __init__(self, place: Rank, control: dist.ProcessGroup | None = None) -> None:
        self.rank, self.world_size, self.local_rank = place.rank, place.world_size, place.local_rank
        self._control = control
        self._stop = StopRequest()

    def listen(self, stop: StopRequest) -> None:
        """Tell the group of this request to stop, and this request of one to any other process of the group."""
        self._stop = stop

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @property
    def suffix(self) -> str:
        """What the names of this process's own tensors end with; those of the leader are plain."""
        return f".{self.rank}" if self.rank else ""

    def order(self, order: Order, learning_rate: float = 0.0) -> None:
        """Have all others do what this process, the leader, does next; learn whether one of them was asked to stop.

        Called by another process, which is doing it already, it does nothing.
        """
        if self._control is not None and self.leads:
            self._exchange(float(order), learning_rate)

    def next(self) -> tuple[Order, float]:
        """Wait for the leader's next order, and the learning rate of a step."""
        order, learning_rate = self._exchange(0.0, 0.0)
        return Order(int(order)), learning_rate

    def _exchange(self, order: float, learning_rate: float) -> tuple[float, float]:
        message = torch.tensor([order, learning_rate, float(self._stop.requested)], dtype=torch.float64)
        with lost_peers():
            dist.all_reduce(message, group=self._control)
        order, learning_rate, stops = message.tolist()
        if stops:
            self._stop.requested = True
        return order, learning_rate

    def tell(self, message: Any, *, sender: int = 0) -> Any:
        """What one process tells all others, as JSON; everybody returns it."""
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

    def agree(self, error: GrokcoreError | None) -> None:
        """Fail together: where one process has an error, all raise it.

        Raises:
            GrokcoreError: the first process's that has one, of its class.
        """
        for sender in range(self.world_size):
            found = self.tell(None if error is None else encode_error(error), sender=sender)
            if found is not None:
                failure = decode_error(found)
                failure.said = not self.leads
                raise failure

    def share(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The leader's tensors, on every process: those of the others are on the CPU."""
        if self._control is None:
            return dict(tensors)
        layout = self.tell(
            [[name, str(one.dtype).removeprefix("torch."), list(one.shape)] for name, one in tensors.items()]
        )
        found: dict[str, Tensor] = {}
        for name, dtype, shape in layout:
            one = tensors[name].cpu().contiguous() if self.leads else torch.empty(shape, dtype=getattr(torch, dtype))
            with lost_peers():
                dist.broadcast(one.view(-1).view(torch.uint8), 0, group=self._control)
            found[name] = one
        return found

    def share_out(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors on the CPU that each process has one of its own of, under a name for each process."""
        if self._control is None:
            return dict(tensors)
        found: dict[str, Tensor] = {}
        for name, mine in tensors.items():
            everybody = [torch.empty_like(mine) for _ in range(self.world_size)]
            with lost_peers():
                dist.all_gather(everybody, mine.contiguous(), group=self._control)
            found |= {f"{name}.{rank}" if rank else name: one for rank, one in enumerate(everybody)}
        return found


ALONE = Group(Rank())


@contextmanager
def lost_peers() -> Iterator[None]:
    """
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
    """The group that the environment describes, made once per process; DeepSpeed needs one of a process alone, too.

    Raises:
        InputError: the environment describes none that can be.
        TransientError: the others did not come.
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
    """Say in torchrun's variables what another launcher has said in its own."""
    for name, value in (("RANK", place.rank), ("WORLD_SIZE", place.world_size), ("LOCAL_RANK", place.local_rank)):
        os.environ.setdefault(name, str(value))
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
