"""The rank of this process in a group that trains together, from the variables that its launcher has set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from grokcore.errors import InputError


@dataclass(frozen=True)
class Rank:
    """One process among those that train together.

    Attributes:
        rank: its number among all of them; 0 leads.
        world_size: how many there are, over all nodes.
        local_rank: its number on its node, and that of its GPU.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0


@dataclass(frozen=True)
class _Launcher:
    """The variables that one family of launchers sets."""

    rank: str
    world_size: str
    local_rank: str


_LAUNCHERS = (
    _Launcher("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # torchrun, deepspeed, Kubeflow Trainer, `--processes`
    _Launcher("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),  # Open MPI
    _Launcher("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),  # MPICH, Intel MPI
)


def rank_of_environment(environment: Mapping[str, str] = os.environ) -> Rank:
    """Return the rank of this process; without a launcher's variables, that of a single process.

    Raises:
        InputError: the environment contradicts itself.
    """
    for names in _LAUNCHERS:
        if names.world_size not in environment:
            continue
        world_size = _number(environment, names.world_size, None)
        if world_size < 1:
            raise InputError(f"{names.world_size}={world_size} must be at least 1")
        if world_size == 1:
            return Rank()
        rank = _number(environment, names.rank, None)
        local_rank = _number(environment, names.local_rank, 0 if names.rank != "PMI_RANK" else rank)
        if rank >= world_size:
            raise InputError(f"{names.rank}={rank} must be less than {names.world_size}={world_size}")
        return Rank(rank, world_size, local_rank)
    return Rank()


def _number(environment: Mapping[str, str], name: str, default: int | None) -> int:
    text = environment.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{name}={text!r} must be a number: start the processes by torchrun, deepspeed or mpirun")
    return int(text)
