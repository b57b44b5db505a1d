"""The number of CPU threads, which decides the last bits of every long sum."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cpu_threads(threads: int | None, device: torch.device) -> Iterator[None]:
    """Compute with `threads` inside the block; None takes one on a CPU, and leaves them as they are for a GPU.

    One by default, whatever the machine has: a run gives the same numbers alone, among several seeds, and elsewhere.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or (1 if device.type == "cpu" else before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
