"""The order of a user's values: numbers before dates, each ascending, however they are written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation

import numpy as np

from grokcore.errors import InputError
from grokcore.tasks.random import Indices

Key = tuple[int, Decimal | datetime]
"""0 and a number, or 1 and a date; keys of one kind can be compared."""

_LONGEST = 40
"""Digits of a number that is written out."""


def in_order(
    names: Sequence[str], codes: Indices, attributes: Sequence[str], attribute: Indices, place: str
) -> tuple[list[str], Indices]:
    """Values as numbers or dates in ascending order, 1 and 1.0 as one.

    Words have no order to compare by: that of the alphabet, in which large < medium < small, is rarely meant.

    Args:
        names: the distinct values as they are written.
        codes: (N,) the value of each fact.
        attributes: names of the attributes.
        attribute: (N,) the attribute of each fact.
        place: of the facts, for messages.

    Returns:
        The distinct values in ascending order, numbers before dates; (N,) the value of each fact as their indices.

    Raises:
        InputError: a value is neither, or an attribute has both, or only one value.
    """
    keys = [_key(name) for name in names]

    unordered = np.array([key is None for key in keys])[codes]
    if unordered.any():
        fact = int(np.argmax(unordered))
        raise InputError(
            f"{place} gives {attributes[int(attribute[fact])]!r} the value {names[int(codes[fact])]!r}, which is "
            f"neither a number nor a date (YYYY-MM-DD): comparing needs an order, so write ranks such as 1, 2, 3 "
            f"instead of words"
        )
    known = [key for key in keys if key is not None]
    distinct = sorted(set(known))
    rank = {key: number for number, key in enumerate(distinct)}
    ranks = np.array([rank[key] for key in known])[codes]
    is_date = np.array([key[0] for key in distinct])
    least, most = np.full(len(attributes), len(distinct)), np.full(len(attributes), -1)
    np.minimum.at(least, attribute, ranks)
    np.maximum.at(most, attribute, ranks)
    both = is_date[least] != is_date[most]
    if both.any():
        raise InputError(
            f"{place} gives {attributes[int(np.argmax(both))]!r} both numbers and dates: they have no order"
        )
    if (least == most).any():
        single = int(np.argmax(least == most))
        raise InputError(
            f"{place} gives {attributes[single]!r} no value but {_written(distinct[int(least[single])])!r}: comparing "
            f"needs two or more, so leave this attribute out"
        )
    return [_written(key) for key in distinct], ranks


def is_ordered(name: str) -> bool:
    """Return whether a value is a number or a date, which have an order to compare by."""
    return _key(name) is not None


def _key(name: str) -> Key | None:
    try:
        number = Decimal(name)
        if number.is_finite():
            return 0, number
    except InvalidOperation:
        pass
    try:
        date = datetime.fromisoformat(name)
    except ValueError:
        return None
    return (1, date) if date.tzinfo is None else None


def _written(key: Key) -> str:
    """One name for each value, however it was written."""
    value = key[1]
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time.min else value.isoformat()
    exact = value.normalize(Context(prec=max(1, len(value.as_tuple().digits)), Emin=MIN_EMIN, Emax=MAX_EMAX))
    if exact == 0:
        return "0"
    return f"{exact:f}" if abs(exact.adjusted()) < _LONGEST else str(exact)
