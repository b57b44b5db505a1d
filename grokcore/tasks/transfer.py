"""What all tasks share to which a second training adds facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grokcore.errors import InputError
from grokcore.tasks.base import Split

MIN_HELD_OUT = 500
"""Least rows of a held-out split: with fewer, the accuracies of two starts cannot be told apart."""


def check_powered(held_out: Iterable[str], splits: Mapping[str, Split], advice: Mapping[str, str]) -> None:
    """
    Args:
        advice: what to change, by the held-out split that is too small.

    Raises:
        InputError: a held-out split has fewer than `MIN_HELD_OUT` rows.
    """
    for split in held_out:
        if splits[split].rows < MIN_HELD_OUT:
            raise InputError(
                f"{split} has {splits[split].rows} rows, fewer than the {MIN_HELD_OUT} that tell two starts apart: "
                f"{advice[split]}"
            )


def order_of(train: Iterable[str], held_out: Iterable[str], splits: Mapping[str, Split]) -> tuple[str, ...]:
    """Return the names of all splits: of training, held-out, diagnostic."""
    diagnostic = (name for name, one in splits.items() if one.role == "diagnostic")
    return (*train, *held_out, *diagnostic)
