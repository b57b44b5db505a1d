"""How many threads compute on a CPU, which sets the last bits of every sum over many numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def cpu_threads(threads: int | None, device: torch.device) -> Iterator[None]:
    """Compute with `threads` inside the block; None takes one on a CPU, and leaves them as they are for a GPU.

    One, whatever the machine has: so a run gives the same numbers by itself, as one of several seeds, and elsewhere.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or (1 if device.type == "cpu" else before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
