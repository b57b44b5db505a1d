"""Which processor cores each of several training processes runs on."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def shares(jobs: int, threads: int) -> list[frozenset[int]]:
    """The cores of each process: as many processes of `threads` threads as are useful and have room, at least one.

    Each gets an equal share of all cores that this process may use, its own and no other's, and not just as many as it
    has threads: where cores are to spare, two such programs on one machine do not crowd onto the same few.
    """
    cores = usable_cores()
    quota = cpu_quota()
    room = len(cores) if quota is None else min(len(cores), round(quota))
    processes = max(1, min(jobs, room // threads))
    bounds = [len(cores) * number // processes for number in range(processes + 1)]
    return [frozenset(cores[begin:end]) for begin, end in pairwise(bounds)]


def usable_cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin(cores: frozenset[int]) -> None:
    """Keep this process on some cores, where the platform can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def cpu_quota(cgroup: Path = _CGROUP) -> float | None:
    """The CPUs that a container's limit is worth, which no list of cores shows; None where there is no limit."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    try:
        return float(limit) / float(period) if float(limit) > 0 else None
    except ValueError:  # "max"
        return None
